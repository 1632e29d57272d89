// A plain HTTP client, many requests at a time.
import { Agent, request } from 'node:http';

/** Sends requests, on sockets that stay open or on one for each: `{ status, headers, body }`. */
export function httpClient({ keepAlive }) {
  const agent = new Agent({ keepAlive });
  const send = (url, { method = 'GET', headers, body } = {}) => new Promise((resolve, reject) => {
    request(url, { agent, method, headers }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk)).once('error', reject);
      response.once('end', () => {
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() });
      });
    }).once('error', reject).end(body);
  });
  return { send, close: () => agent.destroy() };
}

/** Works through a list, so many items at a time. */
export async function inParallel(items, concurrency, work) {
  const queue = items.values();
  const worker = async () => { for (const item of queue) await work(item); };
  await Promise.all(Array.from({ length: concurrency }, worker));
}
