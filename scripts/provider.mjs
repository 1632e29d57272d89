// A small OpenID provider on this machine: something to connect to in the README's walk and in the tests.
import { generateKeyPair, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { promisify } from 'node:util';
import { main, readArguments } from './lib.mjs';
import { npmPackages } from './setup.mjs';

const { env } = process;
const HOST = '127.0.0.1';
const CLIENT_ID = env.PROVIDER_CLIENT_ID || 'saas';
const CLIENT_SECRET = env.PROVIDER_CLIENT_SECRET || 'saassecret';
/** By default Postern's callback on this machine, whatever its port (RFC 8252, section 7.3). */
const REDIRECTS = env.PROVIDER_REDIRECT_URI
  ? { redirect_uris: [env.PROVIDER_REDIRECT_URI] }
  : { application_type: 'native', redirect_uris: loopback('127.0.0.1', 'localhost') };
const ACCESS_TTL = Number(env.PROVIDER_ACCESS_TTL || 60);
const PKCE_REQUIRED = env.PROVIDER_PKCE === 'required';
const DAY = 86_400;
const SCOPE = 'openid offline_access api';

await main(async () => {
  if (readArguments({ help: { type: 'boolean' } }, help()).help) return console.log(help());
  await npmPackages();
  listen();
});

function loopback(...hosts) {
  return hosts.map((host) => `http://${host}/api/v1/oauth/callback`);
}

/** The issuer names the port, so the port comes first. */
function listen() {
  const server = createServer();
  server.once('error', (error) => {
    console.error(`error: ${error.message}. PROVIDER_PORT=NNNN chooses another port.`);
    process.exit(1);
  });
  server.listen(Number(env.PROVIDER_PORT || 4010), HOST, async () => {
    const origin = `http://${HOST}:${server.address().port}`;
    server.on('request', (await providerAt(env.PROVIDER_ISSUER || origin)).callback());
    console.log(`listening on ${origin}`);
  });
}

async function providerAt(issuer) {
  // Its notices about settings for production are of no use here.
  console.info = console.warn = () => {};
  const { Provider } = await import('oidc-provider');
  const provider = new Provider(issuer, configuration(await signingKey()));
  provider.proxy = Boolean(env.PROVIDER_ISSUER);
  provider.use(api(provider));
  provider.on('grant.success', ({ oidc }) => {
    console.log(`token: ${oidc.params.grant_type} for ${oidc.client.clientId}`);
  });
  provider.on('grant.error', ({ oidc }, error) => {
    console.log(`refused: ${oidc.params?.grant_type}, ${error.error}`);
  });
  provider.on('server_error', (_context, error) => console.error(error));
  return provider;
}

/** A resource for tokens with the scope `api`, of people and of clients. */
function api({ AccessToken, ClientCredentials }) {
  return async (context, next) => {
    if (context.path !== '/api') return next();
    const [, value] = /^Bearer (.+)$/.exec(context.get('Authorization')) ?? [];
    const token = value && (await AccessToken.find(value) ?? await ClientCredentials.find(value));
    if (!token?.scopes.has('api')) context.throw(401, { headers: { 'WWW-Authenticate': 'Bearer' } });
    context.body = { user: token.accountId ?? null };
  };
}

/** Not by generateKeyPairSync: where garbage is collected during the export, Node 20 waits for itself for ever. */
async function signingKey() {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig' };
}

function configuration(key) {
  return {
    clients: [client(CLIENT_ID, 'client_secret_post'), client(`${CLIENT_ID}-basic`, 'client_secret_basic')],
    scopes: SCOPE.split(' '),
    // A token is refused from the second in which it expires.
    clockTolerance: 0,
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
    },
    ttl: {
      AccessToken: ACCESS_TTL, ClientCredentials: ACCESS_TTL,
      RefreshToken: DAY, Grant: DAY, Session: DAY, Interaction: 600,
    },
    // A refresh token works once; its second use ends the whole grant.
    rotateRefreshToken: true,
    issueRefreshToken: () => true,
    pkce: { required: () => PKCE_REQUIRED },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    jwks: { keys: [key] },
    cookies: { keys: [randomBytes(32).toString('hex')] },
  };
}

function client(id, method) {
  return {
    client_id: id, client_secret: CLIENT_SECRET, ...REDIRECTS, response_types: ['code'], scope: SCOPE,
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'], token_endpoint_auth_method: method,
  };
}

function help() {
  const port = Number(env.PROVIDER_PORT) || 4010;
  const secrets = { domain: `${HOST}:${port}`, client_id: CLIENT_ID, client_secret: CLIENT_SECRET };
  return `npm run provider: a local OpenID provider. It keeps nothing; any user name and password will do.

  authorization  http://${HOST}:${port}/auth       token       http://${HOST}:${port}/token
  userinfo       http://${HOST}:${port}/me         revocation  http://${HOST}:${port}/token/revocation
  resource       http://${HOST}:${port}/api
  clients        ${CLIENT_ID} (credentials in the form), ${CLIENT_ID}-basic (HTTP Basic)
  scopes         ${SCOPE}

Settings, by environment:
  PROVIDER_PORT           default 4010; 0 takes a free port, printed as "listening on http://${HOST}:NNNN"
  PROVIDER_ACCESS_TTL     lifetime of access tokens in seconds, default 60
  PROVIDER_REDIRECT_URI   the only one; default ${loopback(HOST)} and the like, at any port
  PROVIDER_CLIENT_ID      default saas
  PROVIDER_CLIENT_SECRET  default saassecret
  PROVIDER_PKCE           "required" refuses authorization requests without code_challenge
  PROVIDER_ISSUER         its https origin, if a proxy before it ends TLS and sets X-Forwarded-Proto

The secrets of a connection to it:
  ${JSON.stringify(secrets)}`;
}
