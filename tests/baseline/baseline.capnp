# The Worker beside this file in plain workerd, set up as `selfhost/postern.capnp` sets up Postern. `npm run bench`
# gives the address and the state directory on the command line.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .baseline),
    (name = "state", disk = (path = "state", writable = true)),
  ],
  sockets = [(name = "http", http = (), service = "main")],
);

const baseline :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "build/index.js"),
    (name = "index_bg.wasm", wasm = embed "build/index_bg.wasm"),
  ],
  compatibilityDate = "2026-04-01",
  compatibilityFlags = ["global_fetch_strictly_public"],
  bindings = [(name = "OBJECT", durableObjectNamespace = "Empty")],
  durableObjectNamespaces = [(className = "Empty", uniqueKey = "baseline-empty", enableSql = true)],
  durableObjectStorage = (localDisk = "state"),
);
