# The Worker beside this file in plain workerd, set up as `selfhost/postern.capnp` sets up Postern. `npm run bench` bundles
# it and gives address, state directory and settings.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .javascript),
    (name = "state", disk = (path = "state", writable = true)),
  ],
  sockets = [(name = "http", http = (), service = "main")],
);

const javascript :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "../build/javascript.mjs")],
  compatibilityDate = "2026-04-01",
  bindings = [
    (name = "CLIENTS", durableObjectNamespace = "Clients"),
    (name = "PUBLIC_URL", fromEnvironment = "PUBLIC_URL"),
    (name = "CLIENT_ID", fromEnvironment = "CLIENT_ID"),
    (name = "CLIENT_SECRET_SHA256", fromEnvironment = "CLIENT_SECRET_SHA256"),
    (name = "PRIVATE_KEY", fromEnvironment = "PRIVATE_KEY"),
  ],
  durableObjectNamespaces = [(className = "Clients", uniqueKey = "baseline-clients", enableSql = true)],
  durableObjectStorage = (localDisk = "state"),
);
