// The standard library for the wasm target, for machines where rustup cannot download it:
// built from the distribution's rust-src package of exactly the installed Rust version.
import {
  accessSync, chmodSync, constants, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure, attempt, inScratch, run } from './lib.mjs';

export const TARGET = 'wasm32-unknown-unknown';
const SUITES = ['stable-backports', 'stable', 'testing', 'unstable', 'oldstable-backports', 'oldstable'];
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

export async function hasStd() {
  const { ok, output } = await attempt('rustc', ['--print', 'target-libdir', '--target', TARGET]);
  const folder = output.trim();
  return ok && existsSync(folder) && readdirSync(folder).some((file) => /^libstd-.*\.rlib$/.test(file));
}

/** Builds the library and puts it into the sysroot, where cargo and clippy find it as if rustup had put it there. */
export async function buildStd(onLine) {
  const version = /^release: (.*)$/m.exec(await run('rustc', ['-vV']))[1];
  const rustlib = join(await run('rustc', ['--print', 'sysroot']), 'lib', 'rustlib');
  await checkMeans(version, rustlib);
  const scratch = join(tmpdir(), `postern-std-${process.pid}`);
  await inScratch(scratch, async () => {
    console.log(`    building it from the distribution's rust-src ${version}`);
    const library = await downloadSource(scratch, version, onLine);
    placeInSysroot(await compile(scratch, library, onLine), rustlib);
  });
}

async function checkMeans(version, rustlib) {
  const advice = `Run \`rustup target add ${TARGET}\` where the internet can be reached, then try again.`;
  for (const tool of ['apt-get', 'dpkg-deb']) {
    if (!(await attempt(tool, ['--version'])).ok) throw new Failure(`The Rust target ${TARGET} is missing. ${advice}`);
  }
  if (version.includes('-')) throw new Failure(`Rust ${version} is no release. ${advice}`);
  try {
    accessSync(rustlib, constants.W_OK);
  } catch {
    throw new Failure(`${rustlib} is not writable for you, so the target's library cannot be put there. ${advice}`);
  }
}

/** Fetches and unpacks the package with an apt configuration of its own: the machine's stays as it is. */
async function downloadSource(scratch, version, onLine) {
  const offered = new Set();
  const mirrors = await archiveAddresses();
  for (const [suite, mirror] of SUITES.flatMap((suite) => mirrors.map((mirror) => [suite, mirror]))) {
    const apt = privateApt(scratch, mirror, suite);
    if (!(await attempt('apt-get', [...apt, 'update'], { onLine })).ok) continue;
    const table = await run('apt-cache', [...apt, 'madison', 'rust-src', 'rust-web-src']);
    const packages = table.split('\n').map((row) => row.split('|').map((cell) => cell.trim())).filter((row) => row[1]);
    packages.forEach((row) => offered.add(row[1].split('+')[0]));
    const found = packages.find((row) => /^[\d.]+/.exec(row[1])[0] === version);
    if (found) return unpack(scratch, apt, `${found[0]}=${found[1]}`, onLine);
  }
  throw new Failure(`rustup cannot download the target ${TARGET}, and the distribution has no rust-src ${version} ` +
    `(it has: ${[...offered].join(', ') || 'none'}). Install the target by hand, or use one of those Rust versions.`);
}

async function unpack(scratch, apt, specification, onLine) {
  await run('apt-get', [...apt, 'download', specification], { onLine, cwd: scratch });
  const file = readdirSync(scratch).find((name) => name.endsWith('.deb'));
  await run('dpkg-deb', ['-x', join(scratch, file), join(scratch, 'source')]);
  const sources = join(scratch, 'source', 'usr', 'src');
  const library = readdirSync(sources).map((name) => join(sources, name, 'library')).find((path) => existsSync(path));
  if (!library) throw new Failure(`${specification} does not hold the library's source where it is expected.`);
  return library;
}

/** The package archives that this machine is set up to use. */
async function archiveAddresses() {
  const table = await run('apt-get', ['indextargets', '--format', '$(REPO_URI) $(COMPONENT)']);
  const rows = [...new Set(table.split('\n'))].map((row) => row.split(' '));
  return [...new Set(rows.filter(([, component]) => component === 'main').map(([address]) => address))];
}

function privateApt(scratch, mirror, suite) {
  const folder = mkdtempSync(join(scratch, 'apt-'));
  ['lists/partial', 'cache/archives/partial'].forEach((path) => mkdirSync(join(folder, path), { recursive: true }));
  const signedBy = existsSync(KEYRING) ? `[signed-by=${KEYRING}] ` : '';
  writeFileSync(join(folder, 'sources.list'), `deb ${signedBy}${mirror} ${suite} main\n`);
  const options = {
    'Dir::Etc::sourcelist': join(folder, 'sources.list'), 'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State::lists': join(folder, 'lists'), 'Dir::State::status': '/dev/null', 'Dir::Cache': join(folder, 'cache'),
    'APT::Sandbox::User': '', 'Acquire::Languages': 'none',
  };
  return Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/** Compiles the library as a dependency of an empty crate; with bitcode, so that `lto` works. */
async function compile(scratch, library, onLine) {
  const crate = join(scratch, 'empty');
  mkdirSync(join(crate, 'src'), { recursive: true });
  writeFileSync(join(crate, 'Cargo.toml'), '[package]\nname = "empty"\nedition = "2021"\n\n[workspace]\n');
  writeFileSync(join(crate, 'src', 'lib.rs'), '');
  const env = {
    RUSTC_BOOTSTRAP: '1', RUSTFLAGS: '-Cembed-bitcode=yes', CARGO_TARGET_DIR: join(crate, 'target'),
    __CARGO_TESTS_ONLY_SRC_ROOT: library,
  };
  const args = ['build', '-Zbuild-std=std,panic_abort,panic_unwind', '--release', '--target', TARGET];
  await run('cargo', args, { onLine, env, cwd: crate });
  return join(crate, 'target', TARGET, 'release', 'deps');
}

function placeInSysroot(built, rustlib) {
  const staging = mkdtempSync(join(rustlib, '.postern-'));
  chmodSync(staging, 0o755);
  mkdirSync(join(staging, 'lib'));
  const libraries = readdirSync(built).filter((name) => name.endsWith('.rlib') && !name.startsWith('libempty-'));
  libraries.forEach((name) => cpSync(join(built, name), join(staging, 'lib', name)));
  rmSync(join(rustlib, TARGET), { recursive: true, force: true });
  renameSync(staging, join(rustlib, TARGET));
}
