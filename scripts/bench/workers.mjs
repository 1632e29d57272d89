// The two Workers that are measured, and one that is not: how they are built, and started in a workerd of their own.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { Failure, inRoot, npmBin, onExit, progress, run } from '../lib.mjs';

export const HOST = '127.0.0.1';
const START_DEADLINE_MS = 20_000;
const MEMORY = '/dev/shm';
const ROOM = 2 ** 30; // bytes

/** Where state is kept. On a disk most of what is measured is how fast it syncs, so in memory unless told otherwise. */
export const STATE = process.env.TMPDIR || (hasRoom(MEMORY) ? MEMORY : tmpdir());
const require = createRequire(inRoot('package.json'));

/** Name, module, text config, further sockets of the config, and a path that costs nothing. */
export const POSTERN = {
  name: 'Postern', wasm: inRoot('build', 'index_bg.wasm'), config: inRoot('tests', 'workerd', 'test.capnp'),
  sockets: [`--socket-addr=cron=${HOST}:0`], idle: '/health',
};
const FOLDER = inRoot('tests', 'baseline');
export const BASELINE = {
  name: 'baseline', wasm: join(FOLDER, 'build', 'index_bg.wasm'), config: join(FOLDER, 'baseline.capnp'),
  sockets: [], idle: '/',
};
/** A Worker in JavaScript that answers token requests. */
export const JAVASCRIPT = {
  name: 'JavaScript', config: join(FOLDER, 'javascript', 'javascript.capnp'), sockets: [], idle: '/',
};
/** Runs SQL in the databases of Postern's objects while no Postern does. */
export const SURGEON = {
  name: 'surgeon', config: inRoot('tests', 'workerd', 'surgeon.capnp'), sockets: [], idle: '/',
};

/** Builds what is not current of the Worker beside Postern. */
export async function buildBaseline({ workerBuild, wasmBindgen }) {
  const env = { WASM_BINDGEN_BIN: wasmBindgen, WASM_OPT_BIN: npmBin('wasm-opt'), ESBUILD_BIN: npmBin('esbuild') };
  await progress('building the baseline Worker', async (onLine) => {
    await run(workerBuild, ['--release', '--locked'], { env, onLine, cwd: FOLDER });
    await run(npmBin('wasm-opt'), ['--strip-debug', BASELINE.wasm, '-o', `${BASELINE.wasm}.stripped`]);
    renameSync(`${BASELINE.wasm}.stripped`, BASELINE.wasm);
  });
}

/** Bundles the Worker in JavaScript with what it imports. */
export async function buildJavaScript() {
  const [from, to] = [join(FOLDER, 'javascript', 'worker.mjs'), join(FOLDER, 'build', 'javascript.mjs')];
  const options = ['--bundle', '--minify', '--format=esm', '--external:cloudflare:workers', `--outfile=${to}`];
  await run(npmBin('esbuild'), [from, ...options]);
}

/** Bytes of a Worker's module: `{ raw, gzip }`. */
export function moduleSize({ wasm }) {
  const bytes = readFileSync(wasm);
  return { raw: bytes.length, gzip: gzipSync(bytes).length };
}

/**
 * Starts a Worker, with empty state of its own or with that of a folder, which outlives it:
 * `{ url, startedIn, cpuSeconds, stop }`; it took `startedIn` ms to answer.
 */
export async function start(worker, settings = () => ({}), folder) {
  const url = `http://${HOST}:${await freePort()}`;
  const state = folder ?? mkdtempSync(join(STATE, 'postern-bench-'));
  const clock = performance.now();
  const child = spawn(require('workerd').default, [
    'serve', '--experimental', `--socket-addr=http=${new URL(url).host}`, ...worker.sockets,
    `--directory-path=state=${state}`, worker.config,
  ], { env: settings(url), stdio: ['ignore', 'ignore', 'pipe'] });
  showSome(child.stderr);
  const ended = new Promise((resolve) => child.once('error', resolve).once('exit', resolve));
  const end = () => {
    child.kill('SIGKILL'); // TERM would drain connections
    if (!folder) rmSync(state, { recursive: true, force: true, maxRetries: 5 });
  };
  const forget = onExit(end);
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
    end();
    forget();
  };
  await firstAnswer(worker, url, child);
  return { url, startedIn: performance.now() - clock, cpuSeconds: () => cpuSeconds(child.pid), stop };
}

function hasRoom(folder) {
  if (!existsSync(folder)) return false;
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize >= ROOM;
}

/** The first complaints tell enough; a case that fails makes thousands. */
function showSome(stream) {
  let left = 2_000;
  stream.on('data', (chunk) => {
    process.stderr.write(chunk.subarray(0, left));
    left = Math.max(0, left - chunk.length);
  });
}

/** What a process has used so far, on all its threads; Linux alone tells. */
function cpuSeconds(pid) {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return NaN;
  const fields = readFileSync(file, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100; // utime and stime, in hundredths
}

/** The runtime cannot take an open socket from Node, and Postern must know its own address. */
async function freePort() {
  const server = createServer();
  await new Promise((resolve) => { server.listen(0, HOST, resolve); });
  const { port } = server.address();
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

async function firstAnswer({ name, idle }, url, child) {
  const deadline = performance.now() + START_DEADLINE_MS;
  while (child.exitCode === null && performance.now() < deadline) {
    const answer = await fetch(url + idle).catch(() => null);
    if (answer?.ok) return;
    await sleep(1);
  }
  throw new Failure(`${name} did not answer at ${idle} within ${START_DEADLINE_MS / 1000} s.`);
}
