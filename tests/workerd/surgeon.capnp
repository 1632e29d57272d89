# No Postern: a Worker that runs SQL in the database of an object, which it finds by the same unique key and name.

using Workerd = import "/workerd/workerd.capnp";
using Bundle = import "../../selfhost/postern.capnp";

const config :Workerd.Config = (
  services = [(name = "surgeon", worker = .surgeon), Bundle.stateService],
  sockets = [(name = "http", http = (), service = "surgeon")],
);

const surgeon :Workerd.Worker = (
  modules = [(name = "surgeon.mjs", esModule = embed "surgeon.mjs")],
  compatibilityDate = "2026-04-01",
  bindings = [
    (name = "Registry", durableObjectNamespace = "Registry"),
    (name = "Connection", durableObjectNamespace = "Connection"),
    (name = "Directory", durableObjectNamespace = "Directory"),
  ],
  durableObjectNamespaces = [
    (className = "Registry", uniqueKey = "postern-registry", enableSql = true),
    (className = "Connection", uniqueKey = "postern-connection", enableSql = true),
    (className = "Directory", uniqueKey = "postern-directory", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "state"),
);
