// Many reads of one connection at the same time, when its token has expired and when it has not. Whatever comes while a
// renewal is under way joins it: the provider must be asked once, and everybody must get what it answered.
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../lib.mjs';
import { httpClient } from './client.mjs';
import { median } from './load.mjs';
import { API, connect, newClient, signedIn, startPostern } from './postern.mjs';
import { startProvider } from './provider.mjs';
import { fine, table, target, whole } from './table.mjs';

const READS = 1_000;
const ROUNDS = 3;
const DELAYS = [50, 2_000]; // ms; the second one lasts until all have come
const CALLS = { most: 1 };
const LIFETIME = 1; // seconds, of the tokens that are to expire; those that follow live for an hour

export async function measure() {
  console.log(`joiners: ${ROUNDS} rounds of ${READS} reads at a time…`);
  const [postern, provider, client] = [await startPostern(), await startProvider(), httpClient({ keepAlive: true })];
  const headers = await signedIn(postern, await newClient(postern, ['connection_token:read']));
  const keys = DELAYS.map((delay) => Array.from({ length: ROUNDS }, (_, round) => `after-${delay}-${round}`));
  await expired(postern, provider, ['warm-up', ...keys.flat()]);
  const url = (key) => `${postern.url}${API}/connection/${key}/access_token`;
  const read = (key) => readAtOnce({ client, url: url(key), headers, provider });
  await read('warm-up'); // opens the sockets
  const cases = [];
  for (const [index, delay] of DELAYS.entries()) {
    provider.delay = delay;
    const rounds = [];
    for (const key of keys[index]) rounds.push({ expired: await read(key), fresh: await read(key) });
    cases.push(judged(delay, rounds));
  }
  await postern.stop();
  client.close();
  return { reads: READS, cases };
}

/** Connections whose tokens have expired. */
async function expired(postern, provider, keys) {
  provider.lifetime = LIFETIME;
  await connect(postern, provider, keys);
  provider.lifetime = 3_600;
  await sleep((LIFETIME + 1) * 1_000); // instants are whole seconds
}

/** All reads are sent before the first answer is looked at. */
async function readAtOnce({ client, url, headers, provider }) {
  provider.calls.length = 0;
  const clock = performance.now();
  const answers = await Promise.all(Array.from({ length: READS }, () => client.send(url, { headers })));
  const milliseconds = performance.now() - clock;
  const bad = answers.find(({ status }) => status !== 200);
  if (bad) throw new Failure(`joiners: ${bad.status} ${bad.body}`);
  const tokens = [...new Set(answers.map(({ body }) => JSON.parse(body).access_token))];
  return { milliseconds, calls: provider.calls.map(({ answer }) => answer.access_token), tokens };
}

/** What must be so, and the medians. */
function judged(delay, rounds) {
  for (const { expired, fresh } of rounds) {
    const [given, read] = [expired.calls, [...new Set([...expired.tokens, ...fresh.tokens])]];
    if (given.length !== 1) throw new Failure(`joiners: ${READS} reads made ${given.length} calls at the provider`);
    if (fresh.calls.length > 0) throw new Failure(`joiners: reads of a fresh token made ${fresh.calls.length} calls`);
    if (read.length !== 1 || read[0] !== given[0]) throw new Failure('joiners: not all got what the provider gave');
  }
  const middle = (figure) => median(rounds.map(figure));
  return {
    delay, calls: 1, rounds: rounds.map(({ expired, fresh }) => [expired.milliseconds, fresh.milliseconds]),
    milliseconds: middle(({ expired }) => expired.milliseconds), fresh: middle(({ fresh }) => fresh.milliseconds),
    ratio: middle(({ expired, fresh }) => (expired.milliseconds - delay) / fresh.milliseconds),
  };
}

export const ratios = ({ cases }) => cases.flatMap(({ delay, ratio, calls }) => [
  { name: `expired reads / fresh ones, provider answers in ${delay} ms`, value: ratio },
  { name: `provider calls, provider answers in ${delay} ms`, value: calls, ...CALLS },
]);

export function print({ reads, cases }) {
  const rows = cases.map(({ delay, milliseconds, fresh, ratio, calls }) => {
    const name = `provider answers in ${whole(delay)} ms`;
    return [name, whole(milliseconds), whole(fresh), fine(ratio), whole(calls), target(CALLS)];
  });
  const title = `${whole(reads)} reads at a time of a connection whose token has expired, medians of ${ROUNDS} rounds`;
  table(title, ['ms', 'when fresh, ms', 'of fresh', 'provider calls', 'target'], rows);
}

export const notes = ['"of fresh" leaves out the time that the provider takes.'];
