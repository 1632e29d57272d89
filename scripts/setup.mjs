// Brings everything that building and running needs: the wasm target, npm packages and wasm-bindgen.
// Tools go to a per-user cache, one folder per name and version; nothing asks for more rights than yours.
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CACHE, Failure, attempt, inRoot, inScratch, main, progress, run, withLock } from './lib.mjs';
import { TARGET, buildStd, hasStd } from './wasm-std.mjs';

const CARGO_DENY = '0.20.2';

/** Does what is missing and answers the path of wasm-bindgen. */
export async function setUp() {
  await checkRust();
  await wasmTarget();
  await npmPackages();
  return { wasmBindgen: await tool('4/4', wasmBindgen()) };
}

/** The tool that cargo installs; it must be of the very version of the library. */
export function wasmBindgen() {
  return { name: 'wasm-bindgen', crate: 'wasm-bindgen-cli', version: lockedVersion('wasm-bindgen'), minutes: 2 };
}

/** For the benchmarks only: builds the Worker that they measure by, as Workers in Rust are usually built. */
export function workerBuild() {
  return tool('bench', { name: 'worker-build', crate: 'worker-build', version: lockedVersion('worker'), minutes: 3 });
}

/** For `npm run deny` only. */
export async function cargoDeny() {
  await checkRust();
  return tool('deny', { name: 'cargo-deny', crate: 'cargo-deny', version: CARGO_DENY, minutes: 4 });
}

function lockedVersion(crate) {
  const entry = new RegExp(`^name = "${crate}"\\nversion = "([^"]+)"`, 'm');
  const found = entry.exec(readFileSync(inRoot('Cargo.lock'), 'utf8'));
  if (!found) throw new Failure(`Cargo.lock does not name ${crate}.`);
  return found[1];
}

async function checkRust() {
  const { ok } = await attempt('cargo', ['--version']);
  if (!ok) throw new Failure('[setup 1/4] cargo was not found. Install Rust with rustup, open a new shell, try again.');
}

/** For the fuzz targets only: libFuzzer is compiled with them. */
export async function checkCxx() {
  const compiler = process.env.CXX || 'c++';
  if ((await attempt(compiler, ['--version'])).ok) return;
  throw new Failure(`[setup] no C++ compiler was found (${compiler}); fuzzing, a part of \`npm test\`, needs one.\n` +
    'Install it (Debian: `apt install g++`, Fedora: `dnf install gcc-c++`; macOS, where `npm run fuzz` alone runs:\n' +
    '`xcode-select --install`) or name another one with CXX=…, and try again. `npm start` does without.');
}

/** For the tests only. */
export async function checkCurl() {
  if ((await attempt('curl', ['--version'])).ok) return;
  throw new Failure('[setup] curl was not found; the tests call it, as the README does. Install it and try again.');
}

async function wasmTarget() {
  if (await hasStd()) return;
  await withLock(join(CACHE, 'wasm-target.lock'), async () => {
    if (await hasStd()) return;
    await progress(`[setup 2/4] Rust target ${TARGET}: rustup target add`, async (onLine) => {
      const { ok, output } = await attempt('rustup', ['target', 'add', TARGET], { onLine });
      if (ok && await hasStd()) return;
      console.log(`    rustup could not: ${/^error: .*/m.exec(output)?.[0] ?? output.trim()}`);
      await buildStd(onLine);
    });
  });
}

/** Also for scripts that need the packages only. */
export async function npmPackages() {
  if (packagesFit()) return;
  await withLock(inRoot('.npm-ci.lock'), async () => {
    if (packagesFit()) return;
    await progress('[setup 3/4] npm packages: npm ci', (onLine) =>
      run('npm', ['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund'], { onLine }));
  });
}

/** Whether node_modules holds what package-lock.json names; npm keeps its own record of what it installed. */
function packagesFit() {
  const record = inRoot('node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  const read = (file) => JSON.parse(readFileSync(file, 'utf8')).packages;
  const { '': _root, ...wanted } = read(inRoot('package-lock.json'));
  const installed = read(record);
  return Object.keys(installed).every((path) => path in wanted) &&
    Object.entries(wanted).every(([path, { integrity, optional }]) =>
      path in installed ? installed[path].integrity === integrity : optional === true);
}

async function tool(step, { name, crate, version, minutes }) {
  const cached = join(CACHE, `${name}-${version}`, 'bin', name);
  if (existsSync(cached)) return cached;
  const { ok, output } = await attempt(name, ['--version']);
  if (ok && output.trim().split(' ').pop() === version) return name;
  await withLock(join(CACHE, `${name}-${version}.lock`), async () => {
    if (existsSync(cached)) return;
    await progress(`[setup ${step}] ${name} ${version}: compiling, about ${minutes} minutes`, (onLine) =>
      install(crate, name, version, onLine));
  });
  return cached;
}

/** Installs to a folder of its own and renames that at the end: half an installation never looks like one. */
async function install(crate, name, version, onLine) {
  const scratch = join(CACHE, `.${name}-${version}`);
  await inScratch(scratch, async () => {
    const args = ['install', crate, '--version', version, '--bin', name, '--root', join(scratch, 'root')];
    const env = { CARGO_TARGET_DIR: join(scratch, 'target'), CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS: 'fallback' };
    const locked = await attempt('cargo', [...args, '--locked'], { onLine, env, cwd: scratch });
    if (!locked.ok) {
      console.log('    not with the locked versions of its dependencies; trying with current ones');
      await run('cargo', args, { onLine, env, cwd: scratch });
    }
    renameSync(join(scratch, 'root'), join(CACHE, `${name}-${version}`));
  });
}

/** The runtime's binary, in the npm package for this kind of machine. */
export function workerd() {
  const manifest = createRequire(inRoot('package.json')).resolve('workerd/package.json');
  const { optionalDependencies } = JSON.parse(readFileSync(manifest, 'utf8'));
  const folders = Object.keys(optionalDependencies).map((name) => inRoot('node_modules', name, 'bin', 'workerd'));
  const found = folders.find((file) => existsSync(file));
  if (!found) throw new Failure('npm installed no workerd for this machine. Delete node_modules and try again.');
  return found;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(async () => {
    const paths = await setUp();
    console.log(`set-up is complete:\n  ${paths.wasmBindgen}`);
  });
}
