// A sweep of many connections that are due, each with a refresh token of its own. The yardstick: the very requests that
// it sent, sent again to the same provider by a plain client, as many at a time.
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure, progress } from '../lib.mjs';
import { httpClient, inParallel } from './client.mjs';
import { connect, startPostern } from './postern.mjs';
import { startProvider } from './provider.mjs';
import { fine, table, target, whole } from './table.mjs';

const CONCURRENCY = 6; // of a sweep; the platform's limit on open connections of one request
const DELAY = 50; // ms
const LIFETIME = 2; // seconds, of the tokens that the sweep finds
const SOONEST = 60; // seconds; the sweep looks at no token that is younger
const TARGET = { least: 0.5 };
const HOP_BY_HOP = ['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'host'];

export async function measure({ sweep: count }) {
  const [postern, provider] = [await startPostern(), await startProvider()];
  await progress(`sweep: making ${whole(count)} connections`, (onLine) => makeDue(postern, provider, count, onLine));
  Object.assign(provider, { delay: DELAY, lifetime: 3_600 });
  const watched = (label, work) => progress(label, async (onLine) => {
    provider.calls.length = 0;
    const watch = setInterval(() => onLine(`${provider.calls.length} of ${count} refreshes`), 1_000);
    try {
      return await work();
    } finally {
      clearInterval(watch);
    }
  });
  const ticks = await watched(`sweep: refreshing ${whole(count)} connections`, () => sweepAll(postern));
  const calls = [...provider.calls];
  judge(count, ticks, calls);
  const cpu = ticks.reduce((sum, tick) => sum + tick.cpu, 0);
  await postern.stop();
  const direct = await watched('sweep: the same requests, sent directly', () => sendAgain(provider.origin, calls));
  const seconds = ticks.reduce((sum, tick) => sum + tick.seconds, 0);
  const [rate, directRate] = [count / seconds, count / direct];
  return {
    connections: count, ticks: ticks.length, seconds, rate, directSeconds: direct, directRate, ratio: rate / directRate,
    cpuPerRefresh: cpu * 1e6 / count,
  };
}

/** Connections whose tokens have expired, so that all of them are due whatever the lead is. */
async function makeDue(postern, provider, count, onLine) {
  provider.lifetime = LIFETIME;
  await connect(postern, provider, Array.from({ length: count }, (_, index) => `shop-${index}`), onLine);
  onLine('until all are due');
  await sleep((SOONEST + 1) * 1_000); // instants are whole seconds
}

/** Ticks until nothing is due: what each reported, and how long it took. The one that found nothing is left out. */
async function sweepAll(postern) {
  for (const ticks = []; ; ) {
    const [clock, used] = [performance.now(), postern.cpuSeconds()];
    const report = await postern.call('POST', '/sweep');
    const tick = { report, seconds: (performance.now() - clock) / 1_000, cpu: postern.cpuSeconds() - used };
    if (report.due === 0) return ticks;
    if (report.renewed !== report.due) throw new Failure(`sweep: not all were renewed: ${JSON.stringify(report)}`);
    ticks.push(tick);
  }
}

/** Each connection was renewed, and its refresh token used, once. */
function judge(count, ticks, calls) {
  const renewed = ticks.reduce((sum, { report }) => sum + report.renewed, 0);
  const used = new Set(calls.map(({ body }) => new URLSearchParams(body).get('refresh_token')));
  if (renewed === count && calls.length === count && used.size === count && !used.has(null)) return;
  const seen = `${renewed} renewed, ${calls.length} calls with ${used.size} refresh tokens`;
  throw new Failure(`sweep: ${count} connections, ${seen}`);
}

/** The seconds that it takes. */
async function sendAgain(origin, calls) {
  const client = httpClient({ keepAlive: true });
  const clock = performance.now();
  await inParallel(calls, CONCURRENCY, async ({ path, method, headers, body }) => {
    const own = Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name)));
    const { status } = await client.send(origin + path, { method, headers: own, body });
    if (status !== 200) throw new Failure(`sweep: the provider answered ${status}`);
  });
  client.close();
  return (performance.now() - clock) / 1_000;
}

export const ratios = ({ ratio }) => [{ name: 'sweep / same requests, direct', value: ratio, ...TARGET }];

export function print(figures) {
  const { connections, ticks, seconds, rate, directSeconds, directRate, ratio, cpuPerRefresh } = figures;
  table(`${whole(connections)} connections due, provider answers in ${DELAY} ms`,
    ['seconds', 'refreshes/s', 'of direct', 'target', 'CPU µs'], [
      [`sweep, ${ticks} tick${ticks === 1 ? '' : 's'}`, fine(seconds), fine(rate), fine(ratio), target(TARGET),
        whole(cpuPerRefresh)],
      ['same requests, direct', fine(directSeconds), fine(directRate)],
    ]);
}

export const notes = [
  `Direct: a plain client that sends the sweep's own requests to the same provider, ${CONCURRENCY} at a time.`,
];
