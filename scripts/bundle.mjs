// Postern for a machine of your own, in one folder: the Worker, the runtime, its configuration, and how it starts.
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { Failure, fromCaller, inRoot, main, readArguments } from './lib.mjs';
import { setUp, workerd } from './setup.mjs';

const HELP = `npm run bundle [-- --out FOLDER]: writes what a machine of your own needs, by default the folder bundle here.

  workerd                        the runtime, in the version that the tests run, for this kind of machine
  postern.capnp, entry.mjs       its configuration: sockets, objects, settings, the cron path
  index.js, index_bg.wasm        the Worker
  start.sh                       starts it: settings come from the environment, arguments go to workerd
  postern.service, postern-sweep.service, postern-sweep.timer
                                 the same and the sweep of each minute, for systemd

The files of a former bundle in that folder are replaced, one by one; its state stays. A folder of anything else is refused.`;

/** What tells a bundle from other folders. */
const MARK = 'start.sh';

/** What is copied as it is from `selfhost`. */
const SELFHOST = ['entry.mjs', 'postern.service', 'postern-sweep.service', 'postern-sweep.timer'];

await main(async () => {
  const options = { out: { type: 'string', default: inRoot('bundle') }, help: { type: 'boolean' } };
  const { out, help } = readArguments(options, HELP);
  if (help) return console.log(HELP);
  const folder = fromCaller(out);
  if (existsSync(folder) && !existsSync(join(folder, MARK))) {
    throw new Failure(`--out: ${folder} is there, and is no bundle. Name another folder.`);
  }
  await setUp();
  await build();
  fill(folder);
  console.log(`bundle: ${folder}\nSettings go into the environment; then: ${join(folder, MARK)}`);
});

/** All files of a bundle. In the configuration of the repository the built Worker is in another folder. */
function fill(folder) {
  mkdirSync(folder, { recursive: true });
  const copy = (name, from, mode) => put(folder, name, (path) => copyFileSync(from, path), mode);
  copy(MARK, inRoot('selfhost', MARK), 0o755);
  const config = readFileSync(inRoot('selfhost', 'postern.capnp'), 'utf8').replaceAll('embed "../build/', 'embed "');
  put(folder, 'postern.capnp', (path) => writeFileSync(path, config));
  SELFHOST.forEach((name) => copy(name, inRoot('selfhost', name)));
  copy('index.js', inRoot('build', 'index.js'));
  copy('index_bg.wasm', inRoot('build', 'index_bg.wasm'));
  copy('workerd', workerd(), 0o755);
}

/** Whole or not at all, also where a process runs what was there before. */
function put(folder, name, write, mode = 0o644) {
  const path = join(folder, name);
  write(`${path}.new`);
  chmodSync(`${path}.new`, mode);
  renameSync(`${path}.new`, path);
}
