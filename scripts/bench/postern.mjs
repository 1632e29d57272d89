// A Postern to be measured, and what its routes are told before that: clients, tokens, connections.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Failure, inRoot } from '../lib.mjs';
import { httpClient, inParallel } from './client.mjs';
import { POSTERN, start } from './workers.mjs';

export const API = '/api/v1';
const secret = () => randomBytes(32).toString('hex');
const ROOT = { client_id: 'root', client_secret: secret() };
const APP_ENCRYPTION_KEY = secret(); // one for all, so that a state survives a restart
const FORM = 'application/x-www-form-urlencoded';
const TEMPLATE = inRoot('fixtures', 'connector', 'local_code_flow.yml');
const KIND = 'local_provider';
const AT_A_TIME = 16;
const client = httpClient({ keepAlive: false }); // what is kept may have been closed at the other end

/** Postern's settings at an address. Nothing but a read or a sweep renews a token: that is what is measured. */
export const settings = (url) => ({
  PUBLIC_URL: url, OAUTH_ROOT_CLIENT_ID: ROOT.client_id, OAUTH_ROOT_CLIENT_SECRET: ROOT.client_secret,
  APP_ENCRYPTION_KEY, ALLOW_LOOPBACK_PROVIDERS: 'true', REFRESH_ALARMS: 'false',
});

/** Starts one, with empty state or with that of a folder: a server that can also be called, by the root client. */
export async function startPostern(state) {
  const server = await start(POSTERN, settings, state);
  const root = authorization(await token(server, ROOT));
  return { ...server, call: (method, path, body) => call(server, root, method, path, body) };
}

/** A new client with these scopes. */
export const newClient = (postern, scopes) => postern.call('POST', '/oauth/client', { scopes });

/** The headers of a client that has a token. */
export const signedIn = async (server, client) => authorization(await token(server, client));

/** A token request, ready to be sent. */
export function tokenRequest({ client_id, client_secret }, members = {}) {
  const form = { grant_type: 'client_credentials', client_id, client_secret, ...members };
  const body = new URLSearchParams(form).toString();
  return { method: 'POST', headers: { 'content-type': FORM }, body };
}

/** Makes connections by a code flow, each with a refresh token of its own; the provider is asked once for each. */
export async function connect(postern, provider, keys, onLine) {
  await postern.call('POST', '/connector-templates/register', readFileSync(TEMPLATE));
  const secrets = { domain: new URL(provider.origin).host, client_id: 'bench', client_secret: secret() };
  let done = 0;
  await inParallel(keys, AT_A_TIME, async (key) => {
    await postern.call('POST', `/connection/instantiate/${KIND}`, { instance_key: key, secrets });
    const url = await postern.call('GET', `/connection/${key}/authorize`);
    const query = new URLSearchParams({ state: new URL(url).searchParams.get('state'), code: 'code' });
    await postern.call('GET', `/oauth/callback?${query}`);
    onLine?.(`${done += 1} of ${keys.length} made`);
  });
}

async function token(server, client) {
  return (await ask('POST /oauth/token', `${server.url}${API}/oauth/token`, tokenRequest(client))).access_token;
}

/** Bytes are sent as YAML, everything else as JSON. */
function call(server, root, method, path, content) {
  const isYaml = Buffer.isBuffer(content);
  const body = isYaml || content === undefined ? content : JSON.stringify(content);
  const headers = { ...root, ...(body && { 'content-type': isYaml ? 'application/yaml' : 'application/json' }) };
  return ask(`${method} ${path}`, `${server.url}${API}${path}`, { method, headers, body });
}

async function ask(name, url, request) {
  const { status, headers, body } = await client.send(url, request);
  if (status >= 300) throw new Failure(`${name}: ${status} ${body}`);
  return headers['content-type']?.startsWith('application/json') ? JSON.parse(body) : body;
}

const authorization = (value) => ({ authorization: `Bearer ${value}` });
