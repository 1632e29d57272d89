// What Postern costs beyond the platform itself: requests/s and latencies in plain workerd. See --help.
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { prepare, settings } from './bench/cases.mjs';
import { load, median } from './bench/load.mjs';
import { BASELINE, POSTERN, buildWorkers, moduleSize, start } from './bench/workers.mjs';
import { Failure, inRoot, main } from './lib.mjs';

const HOP = 1; // the case that the rates of the others are divided by
const STARTS = 5;
const WARM_UP_SECONDS = 2;

const HELP = `npm run bench [-- options]: measures the built Worker in plain workerd, on this machine, in one run.

Five cases take turns, round by round, each round beginning with another one. The yardstick is a bare hop: a minimal
Worker (tests/baseline) that asks an empty Durable Object. Then module sizes and cold starts of both Workers. Servers
listen on 127.0.0.1 only and end with the run; an answer other than 2xx fails it.

  --connections LIST   numbers of connections, e.g. 1,8,32; default 16
  --rounds N           default 3
  --seconds N          of each case in each round; default 4
  --json FILE          also writes every figure to a file
  --help               prints this`;

await main(async () => {
  const options = readOptions();
  if (options.help) return console.log(HELP);
  await buildWorkers();
  const report = { tables: await measure(options), workers: [] };
  report.tables.forEach(printTable);
  for (const worker of [POSTERN, BASELINE]) report.workers.push(await describe(worker));
  printWorkers(report.workers);
  printFooter();
  if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
});

function readOptions() {
  const text = (value) => ({ type: 'string', default: value });
  const { help, json, ...numbers } = parse({
    connections: text('16'), rounds: text('3'), seconds: text('4'), json: { type: 'string' }, help: { type: 'boolean' },
  });
  const read = (name, most) => numbers[name].split(',').map((item) => {
    const number = Number(item);
    if (Number.isInteger(number) && number >= 1 && number <= most) return number;
    throw new Failure(`--${name}: ${item} is no whole number from 1 to ${most}.`);
  });
  const [rounds] = read('rounds', 100);
  const [seconds] = read('seconds', 600);
  return { help, json, connections: read('connections', 1000), rounds, seconds };
}

function parse(options) {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    throw new Failure(`${error.message}\n\n${HELP}`);
  }
}

/** All rounds of all cases: one table per number of connections. */
async function measure({ connections, rounds, seconds }) {
  const postern = await start(POSTERN, settings);
  const baseline = await start(BASELINE);
  const cases = await prepare(postern, baseline);
  for (const one of cases) await load(one, Math.max(...connections), WARM_UP_SECONDS);
  const tables = [];
  for (const count of connections) {
    console.log(`measuring ${count} connections, ${rounds} rounds of ${cases.length} × ${seconds} s…`);
    tables.push({ connections: count, rounds, seconds, cases: await takeTurns(cases, count, rounds, seconds) });
  }
  await Promise.all([postern.stop(), baseline.stop()]);
  return tables;
}

/** Each round begins with the next case, so that a machine that gets slower or faster does so for all of them. */
async function takeTurns(cases, connections, rounds, seconds) {
  const measured = cases.map(({ name }) => ({ name, rounds: [] }));
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < cases.length; turn += 1) {
      const index = (round + turn) % cases.length;
      measured[index].rounds.push(await load(cases[index], connections, seconds));
    }
  }
  return measured.map(({ name, rounds }) => {
    const middle = (figure) => median(rounds.map(figure));
    const [rate, p50, p99, cpu] = ['rate', 'p50', 'p99', 'cpu'].map((name) => middle((round) => round[name]));
    const ratio = middle((round, index) => round.rate / measured[HOP].rounds[index].rate);
    return { name, rate, p50, p99, cpu, ratio, rounds };
  });
}

/** Size and cold start of a Worker. */
async function describe(worker) {
  const starts = [];
  for (let count = 0; count < STARTS; count += 1) {
    const server = await start(worker);
    await server.stop();
    starts.push(server.startedIn);
  }
  return { name: worker.name, ...moduleSize(worker), coldStart: median(starts), starts };
}

function printTable({ connections, rounds, seconds, cases }) {
  console.log(`\n${connections} connections, medians of ${rounds} rounds of ${seconds} s\n`);
  print(['', 'requests/s', 'of the hop', 'p50 ms', 'p99 ms', 'CPU µs']);
  cases.forEach(({ name, rate, p50, p99, cpu, ratio }, index) => {
    const ofTheHop = index < HOP ? '' : ratio.toFixed(2);
    print([name, rate.toFixed(0), ofTheHop, p50.toFixed(2), p99.toFixed(2), cpu.toFixed(0)]);
  });
}

function printWorkers(workers) {
  const kib = (bytes) => (bytes / 1024).toFixed(0);
  console.log('');
  print(['module', 'KiB', 'gzip KiB', 'cold start ms']);
  workers.forEach(({ name, raw, gzip, coldStart }) => print([name, kib(raw), kib(gzip), coldStart.toFixed(0)]));
}

function print([name, ...cells]) {
  console.log(name.padEnd(20) + cells.map((cell) => cell.padStart(15)).join(''));
}

function printFooter() {
  const version = (name) => JSON.parse(readFileSync(inRoot('node_modules', name, 'package.json'), 'utf8')).version;
  console.log(`
"of the hop" is the median of each round's ratio; CPU is workerd's, per request, and what a busy machine distorts least.
The guarded route is GET /api/v1/oauth/client/{own id}/scope.
Cold start: process start to the first answer, median of ${STARTS}.
Load: autocannon ${version('autocannon')} in one process, which shares this machine with workerd ${version('workerd')}.
Node ${process.versions.node}, ${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown processor'}.`);
}
