// The requests whose rates are measured, and all that must exist before them: servers, clients, tokens, a connection.
import { createHash, generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { Failure } from '../lib.mjs';
import { API, connect, newClient, signedIn, startPostern, tokenRequest } from './postern.mjs';
import { startProvider } from './provider.mjs';
import { BASELINE, JAVASCRIPT, start, startOidcProvider } from './workers.mjs';

const SCOPES = ['client:read', 'connection_token:read'];
const KEY = 'bench';

/** Whose rate is divided by whose, and the least that is wanted, if anything. */
export const RATIOS = [
  { of: 'token', by: 'hop', least: 0.6 },
  { of: 'guarded', by: 'hop', least: 0.8 },
  { of: 'warm', by: 'hop', least: 0.8 },
  { of: 'token', by: 'token_javascript', least: 0.8 },
  { of: 'token', by: 'token_oidc_provider' },
];

/** Starts every server: `{ cases, stop }`, the cases in the order of the table. */
export async function prepare() {
  const [postern, baseline] = [await startPostern(), await start(BASELINE)];
  const others = [await tokenInJavaScript(), await tokenAtOidcProvider()];
  const client = await newClient(postern, SCOPES);
  const headers = await signedIn(postern, client);
  await connect(postern, await startProvider(), [KEY]);
  const at = (path) => ({ server: postern, url: `${postern.url}${path}` });
  const guarded = at(`${API}/oauth/client/${client.client_id}/scope`);
  const cases = [
    { id: 'no_op', name: 'no-op (GET /health)', ...at('/health') },
    { id: 'hop', name: 'bare object hop', server: baseline, url: `${baseline.url}/hop` },
    { id: 'token', name: 'token request', ...at(`${API}/oauth/token`), ...tokenRequest(client) },
    { id: 'guarded', name: 'guarded route', ...guarded, headers },
    { id: 'warm', name: 'warm provider token', ...at(`${API}/connection/${KEY}/access_token`), headers },
    ...others,
  ];
  for (const one of cases.filter(({ id }) => id.startsWith('token'))) await checkToken(one);
  const servers = [postern, baseline, ...others.map(({ server }) => server)];
  return { cases, stop: () => Promise.all(servers.map((server) => server.stop())) };
}

/** The least that a Worker in JavaScript needs to answer a token request. */
async function tokenInJavaScript() {
  const { client, settings } = await newSettings();
  const { client_secret: secret, client_id: CLIENT_ID } = client;
  const CLIENT_SECRET_SHA256 = createHash('sha256').update(secret).digest('hex');
  const server = await start(JAVASCRIPT, (url) => ({ ...settings(url), CLIENT_ID, CLIENT_SECRET_SHA256 }));
  const id = 'token_javascript';
  return { id, name: 'token request, JavaScript', server, url: `${server.url}/token`, ...tokenRequest(client) };
}

/** `oidc-provider` grants no scope that is not asked for. */
async function tokenAtOidcProvider() {
  const { client, settings } = await newSettings();
  const { client_id: CLIENT_ID, client_secret: CLIENT_SECRET } = client;
  const server = await startOidcProvider((url) => ({ ...settings(url), CLIENT_ID, CLIENT_SECRET }));
  const [id, request] = ['token_oidc_provider', tokenRequest(client, { scope: SCOPES.join(' ') })];
  return { id, name: 'token request, oidc-provider', server, url: `${server.url}/token`, ...request };
}

/** A client, and the settings that both others read. */
async function newSettings() {
  const client = { client_id: randomBytes(16).toString('hex'), client_secret: randomBytes(32).toString('hex') };
  const { privateKey } = await promisify(generateKeyPair)('ed25519');
  const PRIVATE_KEY = JSON.stringify(privateKey.export({ format: 'jwk' }));
  return { client, settings: (url) => ({ PUBLIC_URL: url, PRIVATE_KEY }) };
}

/** What is compared must be the same work: a JWT, signed with Ed25519, with the client's scopes. */
async function checkToken({ name, url, method, headers, body }) {
  const answer = await fetch(url, { method, headers, body });
  const text = await answer.text();
  const refuse = () => { throw new Failure(`${name}: ${answer.status} without the token that is wanted: ${text}`); };
  if (answer.status !== 200) refuse();
  const [header, claims] = JSON.parse(text).access_token.split('.').slice(0, 2).map((part) =>
    JSON.parse(Buffer.from(part, 'base64url').toString()));
  if (header.alg !== 'EdDSA' || claims.scope?.split(' ').sort().join() !== SCOPES.join()) refuse();
}
