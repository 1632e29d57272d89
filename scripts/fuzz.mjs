// Fuzzes everything that reads what strangers send (fuzz/fuzz_targets) with libFuzzer. See --help.
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  Failure, ROOT, attempt, fromCaller, inRoot, inScratch, main, progress, readArguments, run, seconds,
} from './lib.mjs';
import { checkCxx } from './setup.mjs';

const SHORT_RUNS = 50_000; // of each target, in `npm test`: some seconds
const LONG_RUNS = 1_000_000;

/** Longest inputs, in bytes, where libFuzzer's 4096 are too few to reach a bound. */
const LONGEST = { authorization_header: 9000, connection_document: 8192 };

/** What `cargo fuzz -O` gives to rustc, in its order, so that both share a build: edges, comparisons, stack depth. */
const FLAGS = [
  '-Cpasses=sancov-module', '-Cllvm-args=-sanitizer-coverage-level=4',
  '-Cllvm-args=-sanitizer-coverage-inline-8bit-counters', '-Cllvm-args=-sanitizer-coverage-pc-table',
  '-Cllvm-args=-sanitizer-coverage-trace-compares', '--cfg', 'fuzzing',
  '-Cllvm-args=-simplifycfg-branch-fold-threshold=0',
  ...(process.platform === 'linux' ? ['-Cllvm-args=-sanitizer-coverage-stack-depth'] : []),
  '-Ccodegen-units=1', // more units cannot be inlined into each other with this pass
];

/** Without what depends on the clock or on addresses, a seed gives the same inputs each time, or very nearly. */
const REPEATABLE = ['-reload=0', '-entropic=0', '-use_cmp=0'];

const HELP = `npm run fuzz [-- options]: feeds the readers of hostile input with libFuzzer, on the stable toolchain.

Targets: ${targets().join(', ')}.
What was found to reach new code is kept in fuzz/corpus, and the next run starts from it and from fuzz/seeds.
An input for which a property does not hold ends the run and is kept in fuzz/artifacts.

  --target NAME   only this one; default: all, one after the other
  --runs N        executions of each target; default ${LONG_RUNS}
  --input FILE    runs one input, to see what is wrong with it; needs --target
  --help          prints this

Needs a C++ compiler, for libFuzzer. cargo-fuzz is not needed, but \`cargo fuzz run NAME -s none -O\` works too.`;

/** The names of all targets. */
function targets() {
  const files = readdirSync(inRoot('fuzz', 'fuzz_targets')).filter((file) => file.endsWith('.rs'));
  return files.map((file) => file.slice(0, -'.rs'.length)).sort();
}

/** A short run of every target from the committed seeds only; the same one every time. */
export async function fuzzBriefly() {
  const binaries = await buildTargets(targets());
  for (const [name, binary] of binaries) {
    const corpus = join(tmpdir(), `postern-fuzz-${process.pid}`);
    await inScratch(corpus, () => fuzz(name, binary, { corpus, runs: SHORT_RUNS, seed: 1 }));
  }
}

/** Builds targets; answers pairs of name and binary. */
async function buildTargets(names) {
  const host = /^host: (.*)$/m.exec(await run('rustc', ['-vV']))[1];
  const folder = inRoot('fuzz', 'target');
  // With --target, build scripts and macros are not instrumented.
  const args = ['build', '--release', '--locked', '--target', host, '--target-dir', folder];
  args.push('--manifest-path', inRoot('fuzz', 'Cargo.toml'), ...names.flatMap((name) => ['--bin', name]));
  const env = { CARGO_ENCODED_RUSTFLAGS: FLAGS.join('\u001f') };
  await progress('fuzz targets: compiling', (onLine) => run('cargo', args, { env, onLine }));
  return names.map((name) => [name, join(folder, host, 'release', name)]);
}

/** Runs a target and prints its figures in one line. */
async function fuzz(name, binary, { corpus, runs, seed, onLine }) {
  const artifacts = inRoot('fuzz', 'artifacts', name);
  const dictionary = inRoot('fuzz', 'dictionaries', `${name}.dict`);
  [corpus, artifacts].forEach((folder) => mkdirSync(folder, { recursive: true }));
  const start = Date.now();
  const { ok, output } = await attempt(binary, [
    `-runs=${runs}`, `-artifact_prefix=${artifacts}/`, '-print_final_stats=1', '-timeout=20',
    ...(seed ? [`-seed=${seed}`, ...REPEATABLE] : []),
    ...(LONGEST[name] ? [`-max_len=${LONGEST[name]}`] : []),
    ...(existsSync(dictionary) ? [`-dict=${dictionary}`] : []),
    corpus, inRoot('fuzz', 'seeds', name),
  ], { onLine, env: { RUST_BACKTRACE: '0' } });
  if (!ok) throw finding(name, output);
  const figure = (pattern) => Number(pattern.exec(output)?.[1] ?? NaN);
  const shown = (number) => number.toLocaleString('en-US', { maximumFractionDigits: 0 });
  const executions = figure(/number_of_executed_units:\s*(\d+)/);
  console.log(`${name}: ${shown(executions)} executions in ${seconds(start)}, ` +
    `${shown(executions / ((Date.now() - start) / 1000))}/s, ${shown(figure(/DONE\s+cov: (\d+)/))} edges, ` +
    `${shown(figure(/DONE\s.* corp: (\d+)/))} inputs kept`);
}

/** What libFuzzer says about itself and its progress, and the input in hexadecimal. */
const CHATTER = /^(#\d|INFO: |stat::|WARNING: Failed|Dictionary: |NOTE: |\s+Combine |note: run with|0x[\da-f]{2},)/;

/** What a target printed of a finding, and how to see it again. */
function finding(name, output) {
  const lines = output.trim().split('\n').filter((line) => line && !CHATTER.test(line));
  const file = /Test unit written to (.*)$/m.exec(output)?.[1];
  const again = file ? `\nAgain: npm run fuzz -- --target ${name} --input ${relative(ROOT, file)}` : '';
  return new Failure(`fuzz target ${name}:\n${lines.slice(-40).join('\n')}${again}`);
}

async function runInput(name, file) {
  const path = fromCaller(file);
  if (!existsSync(path)) throw new Failure(`There is no file ${path}.`);
  const [[, binary]] = await buildTargets([name]);
  const { ok, output } = await attempt(binary, [path]);
  if (!ok) throw finding(name, output);
  console.log(`${name}: nothing is wrong with ${file}`);
}

function readOptions() {
  const { help, input, runs, target } = readArguments({
    help: { type: 'boolean' }, input: { type: 'string' }, target: { type: 'string' },
    runs: { type: 'string', default: String(LONG_RUNS) },
  }, HELP);
  if (!/^[1-9]\d{0,11}$/.test(runs)) throw new Failure(`--runs: ${runs} is no whole number from 1.`);
  if (target !== undefined && !targets().includes(target)) {
    throw new Failure(`--target: there is no ${target}. There are: ${targets().join(', ')}.`);
  }
  if (input !== undefined && target === undefined) throw new Failure('--input needs --target.');
  return { help, input, runs: Number(runs), names: target ? [target] : targets() };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(async () => {
    const { help, input, runs, names } = readOptions();
    if (help) return console.log(HELP);
    await checkCxx();
    if (input) return runInput(names[0], input);
    for (const [name, binary] of await buildTargets(names)) {
      const corpus = inRoot('fuzz', 'corpus', name);
      await progress(`fuzz target ${name}: ${runs} runs`, (onLine) => fuzz(name, binary, { corpus, runs, onLine }));
    }
  });
}
