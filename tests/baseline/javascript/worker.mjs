// What Postern's token request is held against: the same request (RFC 6749 §4.4) in a Worker that is written in JavaScript
// with `jose`, as small as it can be: one object request that checks the client's secret, one signed token, one line of
// the log. One client, from the settings; no budgets, no audit, no other way to authenticate.
import { DurableObject } from 'cloudflare:workers';
import { SignJWT, importJWK } from 'jose';

const LIFE = 691_200; // seconds
const encoder = new TextEncoder();
let key;

/** Compares digests; the client is in its storage, and stays in memory. */
export class Clients extends DurableObject {
  constructor(state, env) {
    super(state, env);
    const { sql } = state.storage;
    sql.exec('CREATE TABLE IF NOT EXISTS client (id TEXT PRIMARY KEY, digest TEXT NOT NULL, scope TEXT NOT NULL)');
    const client = [env.CLIENT_ID, env.CLIENT_SECRET_SHA256, 'client:read connection_token:read'];
    sql.exec('INSERT OR REPLACE INTO client VALUES (?, ?, ?)', ...client);
    const rows = sql.exec('SELECT * FROM client').toArray();
    this.clients = new Map(rows.map((row) => [row.id, row]));
  }

  async authenticate(id, secret) {
    const client = this.clients.get(id);
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', encoder.encode(secret)));
    const expected = Uint8Array.from(client?.digest.match(/../g) ?? [], (byte) => parseInt(byte, 16));
    const isRight = expected.length === digest.length && crypto.subtle.timingSafeEqual(digest, expected);
    return isRight ? { scope: client.scope } : null;
  }
}

export default {
  async fetch(request, env) {
    const id = crypto.randomUUID();
    const { status, body } = await answer(request, env);
    console.log(JSON.stringify({ level: 'info', request_id: id, method: request.method, status }));
    const headers = {
      'content-type': 'application/json', 'cache-control': 'no-store', pragma: 'no-cache', 'x-request-id': id,
      'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer',
    };
    return new Response(JSON.stringify(body), { status, headers });
  },
};

async function answer(request, env) {
  if (request.method !== 'POST') return { status: 200, body: {} };
  const form = new URLSearchParams(await request.text());
  const isKnown = form.get('grant_type') === 'client_credentials';
  if (!isKnown) return { status: 400, body: { error: 'unsupported_grant_type' } };
  const [id, secret] = [form.get('client_id') ?? '', form.get('client_secret') ?? ''];
  const granted = await env.CLIENTS.getByName('clients').authenticate(id, secret);
  if (!granted) return { status: 401, body: { error: 'invalid_client' } };
  return { status: 200, body: await issue(env, id, granted.scope) };
}

async function issue(env, id, scope) {
  key ??= await importJWK(JSON.parse(env.PRIVATE_KEY), 'EdDSA');
  const token = new SignJWT({ scope, client_id: id })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: 'bench' })
    .setIssuer(env.PUBLIC_URL).setAudience(env.PUBLIC_URL).setSubject(id).setJti(crypto.randomUUID())
    .setIssuedAt().setExpirationTime(`${LIFE}s`);
  return { access_token: await token.sign(key), token_type: 'Bearer', expires_in: LIFE, scope };
}
