// Rates and latencies of five requests, in turns; the yardstick is the bare hop.
import { prepare, startJavaScript } from './cases.mjs';
import { load, median } from './load.mjs';
import { startPostern } from './postern.mjs';
import { fine, table, whole } from './table.mjs';
import { BASELINE, start } from './workers.mjs';

const HOP = 1; // the case that the rates of the others are divided by
const [TOKEN, JAVASCRIPT] = [2, 5]; // the cases that are held against each other
const TARGET = 0.8;
const WARM_UP_SECONDS = 2;

/** All rounds of all cases: one table per number of connections. */
export async function measure({ connections, rounds, seconds }) {
  const postern = await startPostern();
  const baseline = await start(BASELINE);
  const javascript = await startJavaScript();
  const cases = await prepare(postern, baseline, javascript);
  for (const one of cases) await load(one, Math.max(...connections), WARM_UP_SECONDS);
  const tables = [];
  for (const count of connections) {
    console.log(`requests: ${count} connections, ${rounds} rounds of ${cases.length} × ${seconds} s…`);
    tables.push({ connections: count, rounds, seconds, cases: await takeTurns(cases, count, rounds, seconds) });
  }
  await Promise.all([postern.stop(), baseline.stop(), javascript.server.stop()]);
  return tables;
}

/** Each round begins with the next case, so that a machine that gets slower or faster does so for all of them. */
async function takeTurns(cases, connections, rounds, seconds) {
  const measured = cases.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < cases.length; turn += 1) {
      const index = (round + turn) % cases.length;
      measured[index].push(await load(cases[index], connections, seconds));
    }
  }
  return cases.map(({ name, target }, index) => {
    const rounds = measured[index];
    const middle = (figure) => median(rounds.map(figure));
    const [rate, p50, p99, cpu] = ['rate', 'p50', 'p99', 'cpu'].map((name) => middle((round) => round[name]));
    const ratio = middle((round, index) => round.rate / measured[HOP][index].rate);
    return { name, rate, ratio, target, p50, p99, cpu, rounds };
  });
}

export function print(tables) {
  for (const { connections, rounds, seconds, cases } of tables) {
    const title = `requests, ${connections} connections, medians of ${rounds} rounds of ${seconds} s`;
    table(title, ['requests/s', 'of the hop', 'target', 'p50 ms', 'p99 ms', 'CPU µs'], cases.map(row));
    const ratio = median(cases[TOKEN].rounds.map(({ rate }, round) => rate / cases[JAVASCRIPT].rounds[round].rate));
    console.log(`\nToken requests: ${fine(ratio)} of the Worker in JavaScript (target ≥ ${fine(TARGET)})`);
  }
}

function row({ name, rate, ratio, target, p50, p99, cpu }, index) {
  const ofTheHop = index < HOP ? '' : fine(ratio);
  return [name, whole(rate), ofTheHop, target ? `≥ ${fine(target)}` : '', fine(p50), fine(p99), whole(cpu)];
}

export const notes = [
  '"of the hop" is the median of each round\'s ratio; CPU is workerd\'s, per request: a busy machine distorts it least.',
  'The guarded route is GET /api/v1/oauth/client/{own id}/scope.',
];
