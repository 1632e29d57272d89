// What Postern costs beyond the platform itself, and how far it goes: in plain workerd, in one run. See --help.
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import * as idle from './bench/idle.mjs';
import * as joiners from './bench/joiners.mjs';
import * as modules from './bench/modules.mjs';
import * as requests from './bench/requests.mjs';
import * as sweep from './bench/sweep.mjs';
import { STATE, buildBaseline, buildJavaScript } from './bench/workers.mjs';
import { build } from './build.mjs';
import { Failure, inRoot, main, readArguments } from './lib.mjs';
import { setUp, workerBuild } from './setup.mjs';

const PARTS = { requests, modules, joiners, sweep, idle };
const WITH_BASELINE = ['requests', 'modules'];

const HELP = `npm run bench [-- options]: measures the built Worker in plain workerd, on this machine, in one run.

  requests   rates of five requests, in turns; the yardstick is a Worker (tests/baseline) that asks an empty object;
             beside them the token request at a small Worker in JavaScript that does the same work
  modules    sizes and cold starts of both Workers
  joiners    1,000 reads at a time of a connection whose token has expired; the yardstick is a fresh token
  sweep      renewal of all that is due; the yardstick is a plain client that sends the same requests to the provider
  idle       a tick without anything to do, with 100,000 connections; the yardstick is one with 1,000

Targets are printed beside the ratios. A run fails when an answer is wrong or the provider is asked too often, never
because something is slow. Servers listen on 127.0.0.1 only and end with the run. Their state is kept where TMPDIR says,
else in memory (/dev/shm), if there is room: on a disk, what is measured is mostly how fast that disk syncs.

  --only LIST          parts, e.g. joiners,sweep; default all, which takes some four minutes
  --connections LIST   requests: numbers of connections, e.g. 1,8,32; default 16
  --rounds N           requests: default 3
  --seconds N          requests: of each in each round; default 4
  --sweep N            sweep: how many connections are due; default 2000
  --json FILE          also writes every figure to a file
  --help               prints this`;

await main(async () => {
  const options = readOptions();
  if (options.help) return console.log(HELP);
  const tools = await setUp();
  await build();
  if (options.only.some((name) => WITH_BASELINE.includes(name))) await buildBaseline({ ...tools, workerBuild: await workerBuild() });
  if (options.only.includes('requests')) await buildJavaScript();
  const report = {};
  for (const name of options.only) report[name] = await PARTS[name].measure(options);
  for (const name of options.only) PARTS[name].print(report[name]);
  printFooter(options.only.flatMap((name) => PARTS[name].notes));
  if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
});

function readOptions() {
  const text = (value) => ({ type: 'string', default: value });
  const { help, json, only, ...numbers } = readArguments({
    only: text(Object.keys(PARTS).join()), connections: text('16'), rounds: text('3'), seconds: text('4'),
    sweep: text('2000'), json: { type: 'string' }, help: { type: 'boolean' },
  }, HELP);
  const read = (name, most) => numbers[name].split(',').map((item) => {
    const number = Number(item);
    if (Number.isInteger(number) && number >= 1 && number <= most) return number;
    throw new Failure(`--${name}: ${item} is no whole number from 1 to ${most}.`);
  });
  const [[rounds], [seconds], [sweep]] = [read('rounds', 100), read('seconds', 600), read('sweep', 100_000)];
  return { help, json, only: partsOf(only), connections: read('connections', 1000), rounds, seconds, sweep };
}

function partsOf(list) {
  const names = list.split(',');
  const unknown = names.find((name) => !Object.hasOwn(PARTS, name));
  if (unknown === undefined) return names;
  throw new Failure(`--only: there is no part ${unknown}, but ${Object.keys(PARTS).join(', ')}.`);
}

function printFooter(notes) {
  const version = (name) => JSON.parse(readFileSync(inRoot('node_modules', name, 'package.json'), 'utf8')).version;
  const load = `Load: Node ${process.versions.node} (autocannon ${version('autocannon')}), one process`;
  const machine = `${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown processor'}`;
  const last = `${load}, on the machine of workerd ${version('workerd')}: ${machine}. State: ${STATE}.`;
  console.log(['', ...notes, last].join('\n'));
}
