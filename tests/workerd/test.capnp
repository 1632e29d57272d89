# The self-host bundle as the tests start it. It differs in the way out, and in where the sockets listen: the harness
# passes open sockets (`--socket-fd`), a state directory (`--directory-path`) and the settings.
#
# `mocked.capnp` is the other way out. It is a file of its own because this workerd does not accept the name of a
# constant on its command line where a file has several configs.

using Workerd = import "/workerd/workerd.capnp";
using Bundle = import "../../selfhost/postern.capnp";

# Providers on loopback are reachable at their own addresses.
const config :Workerd.Config = (
  services = [
    Bundle.mainService, Bundle.cronService, Bundle.stateService,
    (name = "internet", network = (allow = ["public", "private", "local"], tlsOptions = (trustBrowserCas = true))),
  ],
  sockets = .sockets,
);

const sockets :List(Workerd.Socket) = [
  (name = "http", http = Bundle.publicHttp, service = "main"),
  (name = "cron", http = (), service = "cron"),
];
