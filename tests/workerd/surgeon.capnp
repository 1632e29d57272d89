# No Postern: a Worker that runs SQL in the registry object's database, which it finds by the same unique key and name.

using Workerd = import "/workerd/workerd.capnp";
using Bundle = import "../../selfhost/postern.capnp";

const config :Workerd.Config = (
  services = [(name = "surgeon", worker = .surgeon), Bundle.stateService],
  sockets = [(name = "http", http = (), service = "surgeon")],
);

const surgeon :Workerd.Worker = (
  modules = [(name = "surgeon.mjs", esModule = embed "surgeon.mjs")],
  compatibilityDate = "2026-04-01",
  bindings = [(name = "REGISTRY", durableObjectNamespace = "Registry")],
  durableObjectNamespaces = [(className = "Registry", uniqueKey = "postern-registry", enableSql = true)],
  durableObjectStorage = (localDisk = "state"),
);
