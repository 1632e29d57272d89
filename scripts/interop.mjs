// The tests that `npm test` leaves out: counterparts from PyPI, a fuzzer of the whole API, load. Arguments go to them.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { CACHE, Failure, attempt, check, inRoot, inScratch, main, progress, run, withLock } from './lib.mjs';
import { setUp, workerd } from './setup.mjs';

const REQUIREMENTS = inRoot('tests', 'interop', 'requirements.txt');

/** In this order; PYTHON=… comes in their place. The plain name is what the user chose, if it will do. */
const PYTHONS = ['python3', 'python', 'python3.14', 'python3.13', 'python3.12', 'python3.11'];

/** Has a Python say its version, whether that is new enough, whether it can make environments, and where it is. */
const PROBE = `
import importlib.util, platform, sys
modules = all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))
print(platform.python_version(), sys.version_info >= (3, 11), modules, sys.executable)`;

await main(async () => {
  const python = await check('python environment', pythonEnvironment);
  await setUp();
  await check('build', build);
  await check('tests', () => tests(python), { last: true });
});

/** The path of a Python that has what the requirements name: one folder per version of it and of them. */
async function pythonEnvironment() {
  const base = await findPython();
  const requirements = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12);
  const folder = join(CACHE, `interop-python-${base.version}-${requirements}`);
  const python = join(folder, 'bin', 'python');
  await withLock(`${folder}.lock`, async () => {
    // A link that leads nowhere, after an update of the system's Python, does not exist either.
    if (!existsSync(python)) await install(base.program, folder);
  });
  console.log(`Python ${base.version}, ${folder}`);
  return python;
}

/** The first Python that will do, as its version and its program's path. */
async function findPython() {
  const seen = [];
  for (const name of process.env.PYTHON ? [process.env.PYTHON] : PYTHONS) {
    const { ok, output } = await attempt(name, ['-c', PROBE]);
    const [, version, isNew, makesEnvironments, program] = (ok && /^(\S+) (\w+) (\w+) (.+)$/m.exec(output)) || [];
    if (isNew === 'True' && makesEnvironments === 'True') return { version, program };
    if (version) seen.push(`${name} is ${version}${isNew === 'True' ? ' without venv' : ''}`);
  }
  const found = seen.length ? `found only: ${seen.join(', ')}` : 'found none';
  throw new Failure(`\`npm run interop\` needs Python 3.11 or newer with the module venv; ${found}.\n` +
    'Install both (Debian: `apt install python3 python3-venv`, Fedora: `dnf install python3`) or name another Python with\n' +
    'PYTHON=…, and try again. `npm test` does without.');
}

/**
 * Installs to a folder of its own and renames that at the end: half an installation never looks like one. The scripts
 * in it would not survive that, but Python itself does.
 */
async function install(program, folder) {
  const scratch = `${folder}.new`;
  const environment = join(scratch, 'environment');
  const python = join(environment, 'bin', 'python');
  const pip = (...args) => ['-m', 'pip', '--disable-pip-version-check', '--no-input', ...args];
  await progress('[setup] Python packages: pip install', (onLine) => inScratch(scratch, async () => {
    await run(program, ['-m', 'venv', environment], { onLine });
    // Each package as listed, none that is not, and nothing that has to be compiled.
    const exactly = ['--no-deps', '--require-hashes', '--only-binary', ':all:', '--requirement', REQUIREMENTS];
    await run(python, pip('install', ...exactly), { onLine });
    await run(python, pip('check'), { onLine });
    rmSync(folder, { recursive: true, force: true });
    renameSync(environment, folder);
  }));
}

async function tests(python) {
  const env = { POSTERN_WORKERD: workerd(), POSTERN_NODE: process.execPath, POSTERN_INTEROP_PYTHON: python };
  const args = ['test', '--package', 'workerd-tests', '--tests', '--no-fail-fast', '--locked', '--', '--ignored'];
  const { ok } = await attempt('cargo', [...args, ...process.argv.slice(2)], { show: true, env });
  if (!ok) process.exit(1);
}
