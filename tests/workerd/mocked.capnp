# As `test.capnp`, but every outgoing request, whatever its host, goes to one mock (`--external-addr=internet=…`): as
# plain HTTP with the true Host header; the scheme that the Worker asked for is in X-Forwarded-Proto.

using Workerd = import "/workerd/workerd.capnp";
using Bundle = import "../../selfhost/postern.capnp";
using Test = import "test.capnp";

const config :Workerd.Config = (
  services = [
    Bundle.mainService, Bundle.cronService, Bundle.stateService,
    (name = "internet", external = (http = (forwardedProtoHeader = "X-Forwarded-Proto"))),
  ],
  sockets = Test.sockets,
);
