# The entry with the module beside this file in place of the product's. Its other names are the product's.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "main", worker = .main), (name = "state", disk = (path = "state", writable = true))],
  sockets = [(name = "http", http = (), service = "main"), (name = "cron", http = (), service = "main")],
);

const main :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "index.js"), (name = "trap.wasm", wasm = embed "trap.wasm")],
  compatibilityDate = "2026-04-01",
  bindings = [(name = "REGISTRY", durableObjectNamespace = "Registry")],
  durableObjectNamespaces = [(className = "Registry", uniqueKey = "registry", enableSql = true)],
  durableObjectStorage = (localDisk = "state"),
);
