// What Postern costs beyond the platform itself, and how far it goes: in plain workerd, in one run. See --help.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { dirname } from 'node:path';
import * as idle from './bench/idle.mjs';
import * as joiners from './bench/joiners.mjs';
import * as modules from './bench/modules.mjs';
import * as requests from './bench/requests.mjs';
import * as sweep from './bench/sweep.mjs';
import { fine, isMet, target } from './bench/table.mjs';
import { STATE, buildBaseline, buildJavaScript } from './bench/workers.mjs';
import { build } from './build.mjs';
import { Failure, fromCaller, inRoot, main, readArguments } from './lib.mjs';
import { setUp, workerBuild } from './setup.mjs';

const PARTS = { requests, modules, joiners, sweep, idle };
const WITH_BASELINE = ['requests', 'modules'];

const HELP = `npm run bench [-- options]: measures the built Worker in plain workerd, on this machine, in one run.

  requests   rates of five requests, in turns; the yardstick is an empty Rust Worker (tests/baseline) that asks an empty
             object; beside them the token request at a Worker in JavaScript that does the least that it needs, and at
             oidc-provider in a Node process of its own
  modules    upload size, and cold start; the yardstick is the cold start of the empty Rust Worker
  joiners    1,000 reads at a time of a connection whose token has expired; the yardstick is a fresh token
  sweep      renewal of all that is due; the yardstick is a plain client that sends the same requests to the provider
  idle       a tick without anything to do, with 100,000 connections; the yardstick is one with 1,000

Targets are printed beside the ratios. A run fails when an answer is wrong or the provider is asked too often, never
because something is slow. Servers listen on 127.0.0.1 only and end with the run. Their state is kept where TMPDIR says,
else in memory (/dev/shm), if there is room: on a disk, what is measured is mostly how fast that disk syncs.

  --only LIST          parts, e.g. joiners,sweep; default all, which takes some nine minutes
  --connections LIST   requests: numbers of connections, e.g. 1,8,32; default 1,8,32
  --rounds N           requests: for each number of connections; default 3
  --seconds N          requests: of each in each round; default 4
  --warm-up N          requests: seconds of each before the first round, at the most connections; default 8
  --sweep N            sweep: how many connections are due; default 2000
  --json FILE          also writes every figure to a file, and each ratio with its target
  --help               prints this`;

await main(async () => {
  const options = readOptions();
  if (options.help) return console.log(HELP);
  const tools = await setUp();
  await build();
  if (options.only.some((name) => WITH_BASELINE.includes(name))) {
    await buildBaseline({ ...tools, workerBuild: await workerBuild() });
  }
  if (options.only.includes('requests')) await buildJavaScript();
  const figures = {};
  for (const name of options.only) figures[name] = await PARTS[name].measure(options);
  for (const name of options.only) PARTS[name].print(figures[name]);
  const ratios = options.only.flatMap((part) => PARTS[part].ratios(figures[part]).map((ratio) =>
    ({ part, ...ratio, met: isMet(ratio) })));
  const setting = describeSetting();
  printFooter(ratios, [...options.only.flatMap((name) => PARTS[name].notes), setting]);
  if (options.json) writeFileSync(options.json, `${JSON.stringify({ setting, ...figures, ratios }, null, 2)}\n`);
});

function readOptions() {
  const text = (value) => ({ type: 'string', default: value });
  const { help, json, only, ...numbers } = readArguments({
    only: text(Object.keys(PARTS).join()), connections: text('1,8,32'), rounds: text('3'), seconds: text('4'),
    'warm-up': text('8'), sweep: text('2000'), json: { type: 'string' }, help: { type: 'boolean' },
  }, HELP);
  const read = (name, most, texts = [numbers[name]]) => texts.map((item) => {
    const number = Number(item);
    if (Number.isInteger(number) && number >= 1 && number <= most) return number;
    throw new Failure(`--${name}: ${item} is no whole number from 1 to ${most}.`);
  });
  const [[rounds], [seconds], [warmUp]] = [read('rounds', 100), read('seconds', 600), read('warm-up', 600)];
  const [[sweep], connections] = [read('sweep', 100_000), read('connections', 1000, numbers.connections.split(','))];
  return { help, json: json && fileOf(json), only: partsOf(only), connections, rounds, seconds, warmUp, sweep };
}

function partsOf(list) {
  const names = list.split(',');
  const unknown = names.find((name) => !Object.hasOwn(PARTS, name));
  if (unknown === undefined) return names;
  throw new Failure(`--only: there is no part ${unknown}, but ${Object.keys(PARTS).join(', ')}.`);
}

/** What takes minutes should not be lost for want of a folder. */
function fileOf(path) {
  const file = fromCaller(path);
  if (existsSync(dirname(file))) return file;
  throw new Failure(`--json: there is no folder ${dirname(file)}.`);
}

function printFooter(ratios, notes) {
  const wanted = ratios.filter(({ met }) => met !== undefined);
  const missed = wanted.filter(({ met }) => !met);
  const verdict = `Targets: ${wanted.length} in all, ${missed.length} missed`;
  const shown = missed.map((ratio) => `  ${ratio.name}: ${fine(ratio.value)} (${target(ratio)})`);
  console.log(['', verdict, ...shown, '', ...notes].join('\n'));
}

/** What measured, what was measured, and where. */
function describeSetting() {
  const version = (name) => JSON.parse(readFileSync(inRoot('node_modules', name, 'package.json'), 'utf8')).version;
  const load = `Load: Node ${process.versions.node} (autocannon ${version('autocannon')}), one process`;
  const machine = `${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown processor'}`;
  const servers = `workerd ${version('workerd')} and oidc-provider ${version('oidc-provider')}`;
  return `${load}, on the machine of ${servers}: ${machine}. State: ${STATE}.`;
}
