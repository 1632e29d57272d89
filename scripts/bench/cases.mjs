// The five requests that are measured, and all that must exist before them: a client, its token, a connection.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Failure, inRoot } from '../lib.mjs';
import { HOST } from './workers.mjs';

const secret = () => randomBytes(32).toString('hex');
const ROOT = { client_id: 'root', client_secret: secret() };
const SCOPES = ['client:read', 'connection_token:read'];
const API = '/api/v1';
const KEY = 'bench';
const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';

/** Postern's settings at an address. */
export const settings = (url) => ({
  PUBLIC_URL: url, OAUTH_ROOT_CLIENT_ID: ROOT.client_id, OAUTH_ROOT_CLIENT_SECRET: ROOT.client_secret,
  APP_ENCRYPTION_KEY: secret(), ALLOW_LOOPBACK_PROVIDERS: 'true',
});

/** The cases, in the order of the table. */
export async function prepare(server, baseline) {
  const postern = server.url;
  const root = authorization(await token(postern, ROOT));
  const client = await call(postern, 'POST', '/oauth/client', { root, type: JSON_TYPE, body: json({ scopes: SCOPES }) });
  const held = authorization(await token(postern, client));
  await connect(postern, root);
  const warm = { name: 'warm provider token', server, url: `${postern}${API}/connection/${KEY}/access_token`, headers: held };
  await fetch(warm.url, { headers: held }); // the only time that the provider is asked
  return [
    { name: 'no-op (GET /health)', server, url: `${postern}/health` },
    { name: 'bare object hop', server: baseline, url: `${baseline.url}/hop` },
    { name: 'token request', server, url: `${postern}${API}/oauth/token`, ...tokenRequest(client) },
    { name: 'guarded route', server, url: `${postern}${API}/oauth/client/${client.client_id}/scope`, headers: held },
    warm,
  ];
}

/** Makes the connection whose token is read, with a provider that lives as long as this process. */
async function connect(postern, root) {
  const domain = await startProvider();
  const definition = readFileSync(inRoot('fixtures', 'connector', 'local_client_credentials.yml'), 'utf8');
  const profile = [{ key: KEY, name: KEY, connection_type: 'saas', access: 'read' }];
  const secrets = { domain, client_id: 'bench', client_secret: secret() };
  await call(postern, 'PATCH', '/connection', { root, type: JSON_TYPE, body: json(profile) });
  const body = definition.replace('<instance_fides_key>', KEY);
  await call(postern, 'PATCH', `/connection/${KEY}/saas_config`, { root, type: 'application/yaml', body });
  await call(postern, 'PUT', `/connection/${KEY}/secret`, { root, type: JSON_TYPE, body: json(secrets) });
}

/** A provider that gives everybody the same token for a day; answers its host and port. */
async function startProvider() {
  const answer = json({ access_token: secret(), token_type: 'Bearer', expires_in: 86_400 });
  const server = createServer((_request, response) => response.setHeader('content-type', JSON_TYPE).end(answer));
  await new Promise((resolve) => { server.listen(0, HOST, resolve); });
  server.unref();
  return `${HOST}:${server.address().port}`;
}

async function token(postern, client) {
  const { headers, body } = tokenRequest(client);
  const answer = await call(postern, 'POST', '/oauth/token', { root: {}, type: headers['content-type'], body });
  return answer.access_token;
}

function tokenRequest({ client_id, client_secret }) {
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id, client_secret }).toString();
  return { method: 'POST', headers: { 'content-type': FORM }, body };
}

async function call(postern, method, path, { root, type, body }) {
  const response = await fetch(postern + API + path, { method, headers: { ...root, 'content-type': type }, body });
  const text = await response.text();
  if (!response.ok) throw new Failure(`${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text);
}

const authorization = (value) => ({ authorization: `Bearer ${value}` });
const json = (value) => JSON.stringify(value);
