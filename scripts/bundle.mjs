// Postern for a machine of your own, in one folder: the Worker, the runtime, its configuration, and how it starts.
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from './build.mjs';
import { Failure, inRoot, main, readArguments } from './lib.mjs';
import { setUp, workerd } from './setup.mjs';

const HELP = `npm run bundle [-- --out FOLDER]: writes what a machine of your own needs, by default the folder bundle here.

  workerd                        the runtime, in the version that the tests run
  postern.capnp, entry.mjs       its configuration: sockets, objects, settings, the cron path
  index.js, index_bg.wasm        the Worker
  start.sh                       starts it: settings come from the environment, arguments go to workerd

The files of a former bundle in that folder are replaced, one by one; its state stays. A folder of anything else is refused.`;

/** What tells a bundle from other folders. */
const MARK = 'start.sh';

const START = `#!/bin/sh
# Postern in plain workerd. Settings come from the environment; postern.capnp says which there are. Arguments go to workerd:
#
#   --socket-addr=http=unix:/run/postern.sock   the public socket; by default postern.sock in this folder
#   --socket-addr=cron=127.0.0.1:9001           the cron socket; by default 127.0.0.1:8788
#   --directory-path=state=/var/lib/postern     where state lives; by default the folder state here
#
# workerd has no clock for cron: have the machine's scheduler call this each minute.
#
#   curl -fsS 'http://127.0.0.1:8788/cdn-cgi/handler/scheduled?cron=*+*+*+*+*'
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p state
# A process that was killed leaves its socket behind, and workerd does not take it over.
rm -f postern.sock
exec ./workerd serve --experimental "$@" postern.capnp
`;

await main(async () => {
  const options = { out: { type: 'string', default: inRoot('bundle') }, help: { type: 'boolean' } };
  const { out, help } = readArguments(options, HELP);
  if (help) return console.log(HELP);
  const folder = resolve(out);
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
  put(folder, MARK, (path) => writeFileSync(path, START), 0o755);
  const config = readFileSync(inRoot('selfhost', 'postern.capnp'), 'utf8').replaceAll('embed "../build/', 'embed "');
  put(folder, 'postern.capnp', (path) => writeFileSync(path, config));
  const copy = (name, from, mode) => put(folder, name, (path) => copyFileSync(from, path), mode);
  copy('entry.mjs', inRoot('selfhost', 'entry.mjs'));
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
