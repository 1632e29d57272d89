# As `test.capnp`, with a second instance of the Worker beside the first. The twin has a memory of its own, as the isolates
# of two places have, and the first one's Durable Objects. Of the settings it knows those that its tests use.

using Workerd = import "/workerd/workerd.capnp";
using Bundle = import "../../selfhost/postern.capnp";

const config :Workerd.Config = (
  services = [
    Bundle.mainService, Bundle.cronService, Bundle.stateService,
    (name = "internet", network = (allow = ["public", "private", "local"], tlsOptions = (trustBrowserCas = true))),
    (name = "twin", worker = .twin),
  ],
  sockets = [
    (name = "http", http = Bundle.publicHttp, service = "main"),
    (name = "cron", http = (), service = "cron"),
    (name = "twin", http = Bundle.publicHttp, service = "twin"),
  ],
);

const twin :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "../../build/index.js"),
    (name = "index_bg.wasm", wasm = embed "../../build/index_bg.wasm"),
  ],
  compatibilityDate = "2026-04-01",
  compatibilityFlags = ["global_fetch_strictly_public"],
  bindings = [
    (name = "REGISTRY", durableObjectNamespace = (className = "Registry", serviceName = "main")),
    (name = "CONNECTION", durableObjectNamespace = (className = "Connection", serviceName = "main")),
    (name = "DIRECTORY", durableObjectNamespace = (className = "Directory", serviceName = "main")),
    (name = "PUBLIC_URL", fromEnvironment = "PUBLIC_URL"),
    (name = "OAUTH_ROOT_CLIENT_ID", fromEnvironment = "OAUTH_ROOT_CLIENT_ID"),
    (name = "OAUTH_ROOT_CLIENT_SECRET", fromEnvironment = "OAUTH_ROOT_CLIENT_SECRET"),
    (name = "APP_ENCRYPTION_KEY", fromEnvironment = "APP_ENCRYPTION_KEY"),
    (name = "ALLOW_LOOPBACK_PROVIDERS", fromEnvironment = "ALLOW_LOOPBACK_PROVIDERS"),
    (name = "REVOCATION_LAG_SECONDS", fromEnvironment = "REVOCATION_LAG_SECONDS"),
  ],
);
