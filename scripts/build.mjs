// Builds the Worker into build/: index.js and index_bg.wasm. Does nothing when the last build still fits.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { ROOT, inRoot, inScratch, main, npmBin, run, seconds, withLock } from './lib.mjs';
import { nameInOrder } from './order.mjs';
import { setUp, wasmBindgen } from './setup.mjs';
import { TARGET } from './wasm-std.mjs';

const OUT = inRoot('build');
const WASM = join(OUT, 'index_bg.wasm');
const SCRIPT = join(OUT, 'index.js');
const ENTRY = inRoot('src', 'edge', 'entry.mjs');
const STAMP = join(OUT, '.stamp');
const INPUTS = [
  'Cargo.toml', 'Cargo.lock', '.cargo', 'build.rs', 'src', 'fixtures', 'package-lock.json', 'scripts/build.mjs',
  'scripts/order.mjs',
];

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
  hash.update(`\nwasm-bindgen ${wasmBindgen().version}`);
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
  const isComplete = [STAMP, WASM, SCRIPT].every((file) => existsSync(file));
  return isComplete && readFileSync(STAMP, 'utf8') === wanted;
}

/** Compiles the library, makes its bindings to JavaScript, and bundles these with the entry. */
async function compile({ wasmBindgen }) {
  const env = { CARGO_ENCODED_RUSTFLAGS: rustFlags().join('\u001f') };
  await run('cargo', ['build', '--lib', '--release', '--locked', '--target', TARGET], { env, show: true });
  const { target_directory: target } = JSON.parse(await run('cargo', ['metadata', '--format-version=1', '--no-deps']));
  const bindings = join(OUT, 'bindings');
  await inScratch(bindings, async () => {
    const library = join(target, TARGET, 'release', 'postern.wasm');
    await run(wasmBindgen, [library, ...BINDINGS, `--out-dir=${bindings}`]);
    await run(npmBin('esbuild'), [ENTRY, ...BUNDLE, `--alias:postern=${bindings}/index.js`, `--outfile=${SCRIPT}`]);
    writeFileSync(SCRIPT, readFileSync(SCRIPT, 'utf8').replace('import source ', 'import '));
    renameSync(join(bindings, 'index_bg.wasm'), WASM);
  });
  await optimize();
}

/** The module says where in a crate it panicked, not where this machine keeps its crates. */
function rustFlags() {
  const registries = join(process.env.CARGO_HOME || join(homedir(), '.cargo'), 'registry', 'src');
  const roots = existsSync(registries) ? readdirSync(registries).map((name) => join(registries, name)) : [];
  return roots.map((root) => `--remap-path-prefix=${root}${sep}=`);
}

/** A module that the platform instantiates once, and this script again after a trap. */
const BINDINGS = [
  '--target=module', '--out-name=index', '--no-typescript', '--no-demangle', '--experimental-reset-state-function',
  '--force-enable-abort-handler',
];

const BUNDLE = [
  '--bundle', '--minify', '--format=esm', '--external:./index_bg.wasm', '--external:cloudflare:*',
];

/** What rustc's wasm target and wasm-bindgen use, no more: the runtime must understand the module. */
const FEATURES = [
  'mutable-globals', 'sign-ext', 'nontrapping-float-to-int', 'bulk-memory', 'multivalue', 'reference-types',
  'exception-handling',
];

/** Classes of the libraries that this module never makes an object of, so that nobody can call their methods. */
const UNUSED_CLASSES = ['containerstartupoptions', 'intounderlying', 'minifyconfig', 'r2range'];

/**
 * Optimizes for the size of the upload: a function with a single caller stays a function, since one large body with
 * thousands of variables is shorter but compresses worse. Alignments are mere hints, which V8 does not look at. In the
 * lowest kilobyte of the memory is nothing but the far end of the stack, so that an address and an offset may be added
 * by the access itself: where their sum would wrap around, that traps.
 */
const OPTIMIZE = ['-Oz', '--one-caller-inline-max-function-size=10', '--low-memory-unused', '--dealign'];

/** Drops the names of all functions, a tenth of the size, and who made the module. */
const STRIP = ['--strip-debug', '--strip-producers'];

/** Optimizes the module; then again, with functions that are much alike close together, where gzip sees it. */
async function optimize() {
  const optimized = `${WASM}.optimized`;
  const features = FEATURES.map((feature) => `--enable-${feature}`);
  const pass = (...flags) => run(npmBin('wasm-opt'), [...features, ...flags, ...STRIP, WASM, '-o', optimized]);
  await pass(...UNUSED_CLASSES.map((name) => `--remove-exports=*${name}*`), ...OPTIMIZE);
  writeFileSync(WASM, nameInOrder(readFileSync(optimized)));
  await pass(...OPTIMIZE, '--reorder-functions-by-name');
  renameSync(optimized, WASM);
}

function report(what) {
  const wasm = readFileSync(WASM);
  const kib = (bytes) => `${(bytes / 1024).toFixed(0)} KiB`;
  console.log(`build ${what}: index_bg.wasm ${kib(wasm.length)}, gzip ${kib(gzipSync(wasm).length)}`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main(build);
