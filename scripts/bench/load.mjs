// One measurement: a number of connections, each with one request at a time, for some seconds.
import { Failure } from '../lib.mjs';

/** Puts load on one case: requests/s, milliseconds (over every single answer), the server's CPU in µs per request. */
export async function load(one, connections, seconds) {
  const { name, server, url, method = 'GET', headers, body } = one;
  const { default: autocannon } = await import('autocannon'); // not at the top: set-up may install it first
  const latencies = [];
  const cpu = server.cpuSeconds();
  const start = performance.now();
  const result = await new Promise((resolve, reject) => {
    const options = { url, method, headers, body, connections, duration: seconds, sampleInt: 100 };
    autocannon(options, (error, result) => (error ? reject(error) : resolve(result)))
      .on('response', (_client, _status, _bytes, milliseconds) => latencies.push(milliseconds));
  });
  const elapsed = (performance.now() - start) / 1000;
  const used = server.cpuSeconds() - cpu;
  check(name, result, latencies.length);
  latencies.sort((a, b) => a - b);
  const percentile = (share) => latencies[Math.ceil(latencies.length * share) - 1];
  const rate = latencies.length / elapsed;
  return { rate, p50: percentile(0.5), p99: percentile(0.99), cpu: used * 1e6 / latencies.length };
}

function check(name, { errors, non2xx, statusCodeStats }, answers) {
  if (answers > 0 && errors === 0 && non2xx === 0) return;
  throw new Failure(`${name}: ${answers} answers, ${errors} errors, statuses ${JSON.stringify(statusCodeStats)}`);
}

/** The middle value of some. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
