// A provider in this process: it gives new tokens to everybody, after as long a wait as it is told.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { HOST } from './server.mjs';

/** Starts one that ends with this process. Its `delay` (ms) and the `lifetime` (s) of its tokens can be changed. */
export async function startProvider() {
  const provider = { origin: '', delay: 0, lifetime: 86_400, calls: [] };
  const server = createServer(async (request, response) => {
    const call = { path: request.url, method: request.method, headers: request.headers, body: await bodyOf(request) };
    const answer = tokens(provider.lifetime);
    provider.calls.push({ ...call, answer });
    if (provider.delay > 0) await sleep(provider.delay);
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  });
  await new Promise((resolve) => { server.listen(0, HOST, resolve); });
  server.unref();
  provider.origin = `http://${HOST}:${server.address().port}`;
  return provider;
}

async function bodyOf(request) {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) body += chunk;
  return body;
}

function tokens(lifetime) {
  const [access_token, refresh_token] = [0, 0].map(() => randomBytes(32).toString('hex'));
  return { access_token, refresh_token, token_type: 'Bearer', expires_in: lifetime };
}
