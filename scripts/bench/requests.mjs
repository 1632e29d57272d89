// Rates and latencies of some requests, in turns; what is divided by what, `cases.mjs` says.
import { RATIOS, prepare } from './cases.mjs';
import { load, median } from './load.mjs';
import { fine, table, target, whole } from './table.mjs';

const NAMES = { token_javascript: 'the Worker in JavaScript', token_oidc_provider: 'oidc-provider' };

/** All rounds of all cases: one table per number of connections. */
export async function measure({ connections, rounds, seconds, warmUp }) {
  const { cases, stop } = await prepare();
  console.log(`requests: warming up, ${cases.length} × ${warmUp} s…`);
  for (const one of cases) await load(one, Math.max(...connections), warmUp);
  const tables = [];
  for (const count of connections) {
    console.log(`requests: ${count} connections, ${rounds} rounds of ${cases.length} × ${seconds} s…`);
    const measured = await takeTurns(cases, count, rounds, seconds);
    const figures = cases.map(({ id, name }) => figuresOf(id, name, measured));
    const ratios = RATIOS.map((ratio) => divided(ratio, measured));
    tables.push({ connections: count, rounds, seconds, cases: figures, ratios });
  }
  await stop();
  return tables;
}

/** The rounds of each case. Each begins with the next one: a machine that gets slower does so for all of them. */
async function takeTurns(cases, connections, rounds, seconds) {
  const measured = Object.fromEntries(cases.map(({ id }) => [id, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < cases.length; turn += 1) {
      const one = cases[(round + turn) % cases.length];
      measured[one.id].push(await load(one, connections, seconds));
    }
  }
  return measured;
}

function figuresOf(id, name, measured) {
  const rounds = measured[id];
  const middle = (figure) => median(rounds.map((round) => round[figure]));
  return {
    id, name, rate: middle('rate'), p50: middle('p50'), p99: middle('p99'), cpu: middle('cpu'),
    ofTheHop: divided({ of: id, by: 'hop' }, measured).value, rounds,
  };
}

/** A ratio of rates: the median of the rounds'. */
function divided({ of, by, least }, measured) {
  return { of, by, least, value: median(measured[of].map(({ rate }, round) => rate / measured[by][round].rate)) };
}

export const ratios = (tables) => tables.flatMap(({ connections, ratios }) =>
  ratios.map((ratio) => ({ name: `${ratio.of} / ${ratio.by}, connections: ${connections}`, connections, ...ratio })));

export function print(tables) {
  for (const { connections, rounds, seconds, cases, ratios } of tables) {
    const title = `requests, ${connections} connections, medians of ${rounds} rounds of ${seconds} s`;
    const wanted = (id) => ratios.find(({ of, by }) => of === id && by === 'hop');
    const rows = cases.map(({ id, name, rate, ofTheHop, p50, p99, cpu }) =>
      [name, whole(rate), fine(ofTheHop), target(wanted(id)), fine(p50), fine(p99), whole(cpu)]);
    table(title, ['requests/s', 'of the hop', 'target', 'p50 ms', 'p99 ms', 'CPU µs'], rows);
    console.log('');
    for (const ratio of ratios.filter(({ by }) => by !== 'hop')) {
      const name = NAMES[ratio.by];
      console.log(`Token requests: ${fine(ratio.value)} of ${name}${ratio.least ? ` (target ${target(ratio)})` : ''}`);
    }
  }
}

export const notes = [
  'Ratios are medians of each round\'s. CPU is the server\'s own, per request: a busy machine distorts it least.',
  'Before that, each case is warmed up at the largest number of connections (--warm-up): V8 goes on optimizing a wasm',
  'module for some 10 to 20 s of load, which the cases of one server share.',
  'The bare object hop is that of an empty Worker as worker-build makes it; Postern has an entry of its own.',
  'The guarded route is GET /api/v1/oauth/client/{own id}/scope. The Worker in JavaScript does the least that a token',
  'request needs: no budgets, no audit, one way to authenticate. oidc-provider has its store in memory, writes no log,',
  'and signs with Ed25519 as the others do.',
];
