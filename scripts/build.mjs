// Builds the Worker into build/: index.js and index_bg.wasm. Does nothing when the last build still fits.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { ROOT, inRoot, main, npmBin, run, seconds, withLock } from './lib.mjs';
import { setUp, tools } from './setup.mjs';

const OUT = inRoot('build');
const WASM = join(OUT, 'index_bg.wasm');
const STAMP = join(OUT, '.stamp');
const INPUTS = ['Cargo.toml', 'Cargo.lock', '.cargo', 'src', 'fixtures', 'package-lock.json', 'scripts/build.mjs'];

/** Builds when needed. Several processes may ask at the same time: one builds, the others wait. */
export async function build() {
  if (isCurrent(await stamp())) return report('is current');
  const paths = await setUp();
  await withLock(inRoot('build', '.lock'), async () => {
    const wanted = await stamp();
    if (isCurrent(wanted)) return report('is current');
    const start = Date.now();
    rmSync(STAMP, { force: true });
    await compile(paths);
    writeFileSync(STAMP, wanted);
    report(`took ${seconds(start)}`);
  });
}

/** What the build is made from: sources, locked versions, compiler and tools. */
async function stamp() {
  const hash = createHash('sha256');
  hash.update(await run('rustc', ['--version']));
  tools().forEach(({ name, version }) => hash.update(`\n${name} ${version}`));
  for (const file of INPUTS.map((path) => inRoot(path)).flatMap(filesUnder)) {
    hash.update(`\n${relative(ROOT, file)}\n`).update(readFileSync(file));
  }
  return hash.digest('hex');
}

function filesUnder(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  const entries = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return entries.map((entry) => join(entry.parentPath, entry.name)).sort();
}

function isCurrent(wanted) {
  const isComplete = [STAMP, WASM, join(OUT, 'index.js')].every((file) => existsSync(file));
  return isComplete && readFileSync(STAMP, 'utf8') === wanted;
}

async function compile({ workerBuild, wasmBindgen }) {
  const env = {
    WASM_BINDGEN_BIN: wasmBindgen, ESBUILD_BIN: npmBin('esbuild'),
    RUST_BACKTRACE: '0', // a compile error is not worker-build's own
    CARGO_ENCODED_RUSTFLAGS: rustFlags().join('\u001f'),
  };
  await run(workerBuild, ['--release', '--no-opt', '--locked'], { env, show: true });
  await optimize();
}

/** The module says where in a crate it panicked, not where this machine keeps its crates. */
function rustFlags() {
  const registries = join(process.env.CARGO_HOME || join(homedir(), '.cargo'), 'registry', 'src');
  const roots = existsSync(registries) ? readdirSync(registries).map((name) => join(registries, name)) : [];
  return roots.map((root) => `--remap-path-prefix=${root}${sep}=`);
}

/** What rustc's wasm target and wasm-bindgen use, no more: the runtime must understand the module. */
const FEATURES = [
  'mutable-globals', 'sign-ext', 'nontrapping-float-to-int', 'bulk-memory', 'multivalue', 'reference-types',
  'exception-handling',
];

/** Classes of the libraries that this module never makes an object of, so that nobody can call their methods. */
const UNUSED_CLASSES = ['containerstartupoptions', 'intounderlying', 'minifyconfig', 'r2range'];

/**
 * Drops the names of all functions, a tenth of the size, and optimizes for the size of the upload: a function with a
 * single caller stays a function, since one large body with thousands of variables is shorter but compresses worse; and
 * functions are put in the order of their names, since then those that are much alike (of one generic function, say)
 * stand close enough together for gzip, whose window is 32 KiB, to see it. Alignments are mere hints, which V8 does not
 * look at.
 */
async function optimize() {
  const optimized = `${WASM}.optimized`;
  const flags = [
    ...UNUSED_CLASSES.map((name) => `--remove-exports=*${name}*`),
    '-Oz', '--one-caller-inline-max-function-size=10', '--reorder-functions-by-name', '--dealign', '--strip-debug',
    '--strip-producers',
  ];
  const features = FEATURES.map((feature) => `--enable-${feature}`);
  await run(npmBin('wasm-opt'), [...features, ...flags, WASM, '-o', optimized]);
  renameSync(optimized, WASM);
}

function report(what) {
  const wasm = readFileSync(WASM);
  const kib = (bytes) => `${(bytes / 1024).toFixed(0)} KiB`;
  console.log(`build ${what}: index_bg.wasm ${kib(wasm.length)}, gzip ${kib(gzipSync(wasm).length)}`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main(build);
