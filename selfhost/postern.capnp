# Postern on a machine of your own: one workerd process, one state directory, settings from the environment.
#
# `npm run bundle` puts it into a folder with all that it needs; `start.sh` there starts it. By hand, after `npm run build`, in the
# directory where `state` shall live:
#
#   mkdir -p state; rm -f postern.sock
#   PUBLIC_URL=https://postern.example OAUTH_ROOT_CLIENT_ID=… OAUTH_ROOT_CLIENT_SECRET=… APP_ENCRYPTION_KEY=… \
#     workerd serve --experimental selfhost/postern.capnp
#
# (A socket that a killed process left behind must go first: workerd does not take it over. Its mode is what the umask leaves of
# 777: the reverse proxy's user must be able to write to it.)
# `--experimental` is what workerd wants for `service_binding_extra_handlers` below. Other places than the defaults:
#
#   --socket-addr=http=unix:/run/postern.sock   the public socket (TLS is the reverse proxy's work in front of it)
#   --socket-addr=cron=127.0.0.1:9001           the cron socket: never where the public can reach it
#   --directory-path=state=/var/lib/postern
#
# workerd has no clock for cron. Let the machine's scheduler call this every minute (as in wrangler.toml); `postern-sweep.timer` does:
#
#   curl -fsS 'http://127.0.0.1:8788/cdn-cgi/handler/scheduled?cron=*+*+*+*+*'
#
# Two headers the reverse proxy must set itself, in place of what the client sent:
#
#   X-Forwarded-Proto   `https`: how the client came. Without it, where PUBLIC_URL is https, all but /health and /ready is
#                       refused as plain http.
#   CF-Connecting-IP    the client's address. It counts on a Unix socket only. Over TCP workerd names the other end itself:
#                       behind a proxy that is the proxy, one for all clients, and whoever guesses secrets spends the
#                       failure budget of everybody. So the socket below is a Unix socket. In nginx:
#
#     location / {
#       proxy_pass http://unix:/run/postern/postern.sock;
#       proxy_set_header X-Forwarded-Proto $scheme;
#       proxy_set_header CF-Connecting-IP $remote_addr;
#     }
#
# The tests start the same Worker: `tests/workerd/test.capnp` takes everything but the way out from this file.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [.mainService, .cronService, .stateService, .internetService],
  sockets = [
    # What clients and browsers reach, through a reverse proxy that ends TLS.
    (name = "http", address = "unix:postern.sock", http = .publicHttp, service = "main"),
    # Whoever reaches this one can start a sweep as often as they like: loopback only, and its own port.
    (name = "cron", address = "127.0.0.1:8788", http = (), service = "cron"),
  ],
);

# How the public socket reads requests: the URL that the Worker sees has the scheme that the reverse proxy names.
const publicHttp :Workerd.HttpOptions = (forwardedProtoHeader = "X-Forwarded-Proto");

# The Worker itself.
const mainService :Workerd.Service = (name = "main", worker = .postern);

# The cron path, which Cloudflare's own machinery calls without HTTP.
const cronService :Workerd.Service = (name = "cron", worker = .cron);

# All that must survive: one SQLite file per Durable Object. Back this directory up. A relative path starts at the
# working directory, not at this file; the directory must exist.
const stateService :Workerd.Service = (name = "state", disk = (path = "state", writable = true));

# The way out to the providers. Only public addresses, checked after the name is resolved: a provider's name that
# leads into the private network (or is made to lead there between two look-ups) is unreachable, whatever the Worker
# decided. Therefore ALLOW_LOOPBACK_PROVIDERS has no effect here; it is for `npm start` and the tests.
const internetService :Workerd.Service = (
  name = "internet",
  network = (allow = ["public"], tlsOptions = (trustBrowserCas = true)),
);

const postern :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "../build/index.js"),
    (name = "index_bg.wasm", wasm = embed "../build/index_bg.wasm"),
  ],
  compatibilityDate = "2026-04-01",
  # A provider's address is always looked up outside, also where it looks like one of our own.
  compatibilityFlags = ["global_fetch_strictly_public"],

  # A variable that is not set gives the binding `null`, and means the same as a missing binding. (The `worker` crate's
  # `Env::var` throws on `null` where nothing can catch it: the Worker reads its settings another way.)
  bindings = [
    (name = "REGISTRY", durableObjectNamespace = "Registry"),
    (name = "CONNECTION", durableObjectNamespace = "Connection"),
    (name = "DIRECTORY", durableObjectNamespace = "Directory"),

    (name = "PUBLIC_URL", fromEnvironment = "PUBLIC_URL"),
    (name = "ALLOWED_HOSTS", fromEnvironment = "ALLOWED_HOSTS"),
    (name = "ALLOW_LOOPBACK_PROVIDERS", fromEnvironment = "ALLOW_LOOPBACK_PROVIDERS"),
    (name = "REFRESH_LEAD_SECONDS", fromEnvironment = "REFRESH_LEAD_SECONDS"),
    (name = "REFRESH_ALARMS", fromEnvironment = "REFRESH_ALARMS"),
    (name = "EVENT_WEBHOOK_URL", fromEnvironment = "EVENT_WEBHOOK_URL"),
    (name = "EVENT_WEBHOOK_SECRET", fromEnvironment = "EVENT_WEBHOOK_SECRET"),
    (name = "REVOCATION_LAG_SECONDS", fromEnvironment = "REVOCATION_LAG_SECONDS"),
    (name = "AUDIT_RETENTION_DAYS", fromEnvironment = "AUDIT_RETENTION_DAYS"),
    (name = "APP_ENCRYPTION_KEYS_PREVIOUS", fromEnvironment = "APP_ENCRYPTION_KEYS_PREVIOUS"),
    (name = "SIGNING_KEYS", fromEnvironment = "SIGNING_KEYS"),
    (name = "FIDES_COMPATIBILITY", fromEnvironment = "FIDES_COMPATIBILITY"),
    (name = "REQUIRE_BROWSER_BINDING", fromEnvironment = "REQUIRE_BROWSER_BINDING"),
    (name = "ALLOWED_RETURN_ORIGINS", fromEnvironment = "ALLOWED_RETURN_ORIGINS"),

    # Six settings that Fides and fidesops know too: our name, then theirs.
    (name = "OAUTH_ROOT_CLIENT_ID", fromEnvironment = "OAUTH_ROOT_CLIENT_ID"),
    (name = "OAUTH_ROOT_CLIENT_SECRET", fromEnvironment = "OAUTH_ROOT_CLIENT_SECRET"),
    (name = "OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES", fromEnvironment = "OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES"),
    (name = "APP_ENCRYPTION_KEY", fromEnvironment = "APP_ENCRYPTION_KEY"),
    (name = "CORS_ORIGINS", fromEnvironment = "CORS_ORIGINS"),
    (name = "OAUTH_INSTANCE", fromEnvironment = "OAUTH_INSTANCE"),
    (name = "FIDES__OAUTH_INSTANCE", fromEnvironment = "FIDES__OAUTH_INSTANCE"),
    (name = "FIDESOPS__OAUTH_INSTANCE", fromEnvironment = "FIDESOPS__OAUTH_INSTANCE"),

    (name = "FIDES__SECURITY__OAUTH_ROOT_CLIENT_ID",
     fromEnvironment = "FIDES__SECURITY__OAUTH_ROOT_CLIENT_ID"),
    (name = "FIDES__SECURITY__OAUTH_ROOT_CLIENT_SECRET",
     fromEnvironment = "FIDES__SECURITY__OAUTH_ROOT_CLIENT_SECRET"),
    (name = "FIDES__SECURITY__OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES",
     fromEnvironment = "FIDES__SECURITY__OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES"),
    (name = "FIDES__SECURITY__APP_ENCRYPTION_KEY",
     fromEnvironment = "FIDES__SECURITY__APP_ENCRYPTION_KEY"),
    (name = "FIDES__SECURITY__CORS_ORIGINS",
     fromEnvironment = "FIDES__SECURITY__CORS_ORIGINS"),

    (name = "FIDESOPS__SECURITY__OAUTH_ROOT_CLIENT_ID",
     fromEnvironment = "FIDESOPS__SECURITY__OAUTH_ROOT_CLIENT_ID"),
    (name = "FIDESOPS__SECURITY__OAUTH_ROOT_CLIENT_SECRET",
     fromEnvironment = "FIDESOPS__SECURITY__OAUTH_ROOT_CLIENT_SECRET"),
    (name = "FIDESOPS__SECURITY__OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES",
     fromEnvironment = "FIDESOPS__SECURITY__OAUTH_ACCESS_TOKEN_EXPIRE_MINUTES"),
    (name = "FIDESOPS__SECURITY__APP_ENCRYPTION_KEY",
     fromEnvironment = "FIDESOPS__SECURITY__APP_ENCRYPTION_KEY"),
    (name = "FIDESOPS__SECURITY__CORS_ORIGINS",
     fromEnvironment = "FIDESOPS__SECURITY__CORS_ORIGINS"),
  ],

  # The unique keys name the folders under `state` and enter into every object's id: changed keys lose the data.
  durableObjectNamespaces = [
    (className = "Registry", uniqueKey = "postern-registry", enableSql = true),
    (className = "Connection", uniqueKey = "postern-connection", enableSql = true),
    (className = "Directory", uniqueKey = "postern-directory", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "state"),
);

const cron :Workerd.Worker = (
  modules = [(name = "entry.mjs", esModule = embed "entry.mjs")],
  compatibilityDate = "2026-04-01",
  # Lets one Worker call another one's `scheduled` handler.
  compatibilityFlags = ["service_binding_extra_handlers"],
  bindings = [(name = "MAIN", service = "main")],
);
