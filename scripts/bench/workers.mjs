// Everything that is started: three Workers that are measured, one that writes rows, each in a workerd of its own, and
// `oidc-provider` in Node. How they are built, how large they are.
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { inRoot, npmBin, progress, run } from '../lib.mjs';
import { workerd } from '../setup.mjs';
import { HOST, freeAddress, serve } from './server.mjs';

const MEMORY = '/dev/shm';
const ROOM = 2 ** 30; // bytes

/** Where state is kept. On a disk most of what is measured is how fast it syncs, so in memory unless told otherwise. */
export const STATE = process.env.TMPDIR || (hasRoom(MEMORY) ? MEMORY : tmpdir());

/** Name, folder of the built modules, text config, further sockets of the config, and a path that costs nothing. */
export const POSTERN = {
  name: 'Postern', build: inRoot('build'), config: inRoot('tests', 'workerd', 'test.capnp'),
  sockets: [`--socket-addr=cron=${HOST}:0`], idle: '/health',
};
const FOLDER = inRoot('tests', 'baseline');
/** The least that a Worker in Rust does. */
export const BASELINE = {
  name: 'empty Rust Worker', build: join(FOLDER, 'build'), config: join(FOLDER, 'baseline.capnp'),
  sockets: [], idle: '/',
};
/** A Worker in JavaScript that answers token requests. */
export const JAVASCRIPT = {
  name: 'JavaScript Worker', config: join(FOLDER, 'javascript', 'javascript.capnp'), sockets: [], idle: '/',
};
/** Runs SQL in the databases of Postern's objects while no Postern does. */
export const SURGEON = {
  name: 'surgeon', config: inRoot('tests', 'workerd', 'surgeon.capnp'), sockets: [], idle: '/',
};

/** Builds what is not current of the Worker beside Postern. */
export async function buildBaseline({ workerBuild, wasmBindgen }) {
  const env = { WASM_BINDGEN_BIN: wasmBindgen, WASM_OPT_BIN: npmBin('wasm-opt'), ESBUILD_BIN: npmBin('esbuild') };
  const { wasm } = modules(BASELINE);
  await progress('building the empty Rust Worker', async (onLine) => {
    await run(workerBuild, ['--release', '--locked'], { env, onLine, cwd: FOLDER });
    await run(npmBin('wasm-opt'), ['--strip-debug', wasm, '-o', `${wasm}.stripped`]);
    renameSync(`${wasm}.stripped`, wasm);
  });
}

/** Bundles the Worker in JavaScript with what it imports. */
export async function buildJavaScript() {
  const [from, to] = [join(FOLDER, 'javascript', 'worker.mjs'), join(FOLDER, 'build', 'javascript.mjs')];
  const options = ['--bundle', '--minify', '--format=esm', '--external:cloudflare:workers', `--outfile=${to}`];
  await run(npmBin('esbuild'), [from, ...options]);
}

const modules = ({ build }) => ({ script: join(build, 'index.js'), wasm: join(build, 'index_bg.wasm') });

/** Bytes of all that is uploaded of a Worker in Rust, `{ raw, gzip }`: script and wasm module, packed as one. */
export function uploadSize(worker) {
  const bytes = Buffer.concat(Object.values(modules(worker)).map((file) => readFileSync(file)));
  return { raw: bytes.length, gzip: gzipSync(bytes).length };
}

/** Starts a Worker, with empty state of its own or with that of a folder, which outlives it: what `serve` answers. */
export async function start(worker, settings = () => ({}), folder) {
  const { name, idle, config, sockets } = worker;
  const url = await freeAddress();
  const state = folder ?? mkdtempSync(join(STATE, 'postern-bench-'));
  const address = [`--socket-addr=http=${new URL(url).host}`, ...sockets, `--directory-path=state=${state}`];
  const clean = () => { if (!folder) rmSync(state, { recursive: true, force: true, maxRetries: 5 }); };
  const command = [workerd(), 'serve', '--experimental', ...address, config];
  return serve({ name, idle, url, command, env: settings(url), clean });
}

/** Starts `oidc-provider`. */
export async function startOidcProvider(settings) {
  const url = await freeAddress();
  const command = [process.execPath, join(FOLDER, 'oidc_provider.mjs')];
  const env = { ...settings(url), NODE_ENV: 'production' };
  return serve({ name: 'oidc-provider', idle: '/jwks', url, command, env });
}

function hasRoom(folder) {
  if (!existsSync(folder)) return false;
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize >= ROOM;
}
