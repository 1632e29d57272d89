// The requests whose rates are measured, and all that must exist before them: a client, its token, a connection.
import { createHash, generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { API, connect, newClient, signedIn, tokenRequest } from './postern.mjs';
import { startProvider } from './provider.mjs';
import { JAVASCRIPT, start } from './workers.mjs';

const SCOPES = ['client:read', 'connection_token:read'];
const KEY = 'bench';

/** The cases, in the order of the table; `target` is the share of the hop's rate that is wanted. */
export async function prepare(postern, baseline, javascript) {
  const client = await newClient(postern, SCOPES);
  const held = await signedIn(postern, client);
  await connect(postern, await startProvider(), [KEY]);
  const at = (path) => `${postern.url}${API}${path}`;
  const [scopes, warm] = [`/oauth/client/${client.client_id}/scope`, `/connection/${KEY}/access_token`];
  return [
    { name: 'no-op (GET /health)', server: postern, url: `${postern.url}/health` },
    { name: 'bare object hop', server: baseline, url: `${baseline.url}/hop` },
    { name: 'token request', target: 0.6, server: postern, url: at('/oauth/token'), ...tokenRequest(client) },
    { name: 'guarded route', target: 0.8, server: postern, url: at(scopes), headers: held },
    { name: 'warm provider token', target: 0.8, server: postern, url: at(warm), headers: held },
    { name: 'token request in JavaScript', ...javascript },
  ];
}

/** Starts the Worker that is written in JavaScript: its server, and its token request. */
export async function startJavaScript() {
  const client = { client_id: randomBytes(16).toString('hex'), client_secret: randomBytes(32).toString('hex') };
  const { privateKey } = await promisify(generateKeyPair)('ed25519');
  const settings = (url) => ({
    PUBLIC_URL: url, CLIENT_ID: client.client_id,
    CLIENT_SECRET_SHA256: createHash('sha256').update(client.client_secret).digest('hex'),
    PRIVATE_KEY: JSON.stringify(privateKey.export({ format: 'jwk' })),
  });
  const server = await start(JAVASCRIPT, settings);
  return { server, url: `${server.url}/token`, ...tokenRequest(client) };
}
