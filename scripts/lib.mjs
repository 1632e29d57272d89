// Shared by the scripts: paths, running commands, progress lines, one lock. Node built-ins only.
import { spawn } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
export const inRoot = (...parts) => join(ROOT, ...parts);
export const npmBin = (name) => inRoot('node_modules', '.bin', name);
export const CACHE =
  process.env.POSTERN_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'postern');

/** What wrangler may count of an upload, packed; the platform's own limit is far above. */
export const UPLOAD_BUDGET_KIB = 450;

/** A path as whoever called npm meant it: npm runs scripts in the root. */
export const fromCaller = (path) => resolve(process.env.INIT_CWD ?? '.', path);

/** An error whose message is all the user needs: no stack is shown. */
export class Failure extends Error {}

/** Runs a script's main function; a failure ends it with a message and exit code 1. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    console.error(`\nerror: ${error instanceof Failure ? error.message : error.stack}`);
    process.exit(1);
  }
}

/** The options of the command line; what is wrong with them comes with the help. */
export function readArguments(options, help) {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    throw new Failure(`${error.message}\n\n${help}`);
  }
}

const cleanups = new Set();
process.on('exit', () => cleanups.forEach((cleanup) => cleanup()));
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]]) {
  process.on(signal, () => process.exit(code));
}

/** Calls `cleanup` when this process ends, whatever ends it; the answer takes that back. */
export function onExit(cleanup) {
  cleanups.add(cleanup);
  return () => cleanups.delete(cleanup);
}

/** Does `work` with an empty folder that is gone afterwards, also after an interruption. */
export async function inScratch(folder, work) {
  const remove = () => rmSync(folder, { recursive: true, force: true });
  remove();
  mkdirSync(folder, { recursive: true });
  const forget = onExit(remove);
  try {
    return await work();
  } finally {
    forget();
    remove();
  }
}

/**
 * Runs a command and answers `{ ok, output }`. `show` passes its output on; else it is collected. After `limit` ms it is
 * ended, and whatever it started is not waited for.
 */
export function attempt(command, args, { show = false, onLine, env, cwd = ROOT, limit } = {}) {
  return new Promise((resolve) => {
    const stdio = show ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'];
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio });
    const settled = onExit(() => child.kill());
    let output = '';
    const collect = (chunk) => {
      output += chunk;
      onLine?.(String(chunk).trim().split('\n').pop().trim());
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    const end = () => {
      child.kill();
      [child.stdout, child.stderr].forEach((stream) => stream?.destroy());
    };
    const timer = limit && setTimeout(end, limit);
    const answer = (result) => { clearTimeout(timer); settled(); resolve(result); };
    child.on('error', (error) => answer({ ok: false, output: error.message }));
    child.on('close', (code) => answer({ ok: code === 0, output }));
  });
}

/** Runs a command that must succeed and answers its trimmed output. */
export async function run(command, args, options) {
  const { ok, output } = await attempt(command, args, options);
  if (ok) return output.trim();
  const tail = output.trim().split('\n').slice(-40).join('\n');
  throw new Failure(`\`${[command, ...args].join(' ')}\` failed${tail ? `:\n${tail}` : '.'}`);
}

export const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;

/** Does one slow piece of work between two progress lines, with a sign of life every 15 seconds. */
export async function progress(label, work) {
  const start = Date.now();
  let latest = '';
  console.log(`${label}…`);
  const heartbeat = setInterval(() => console.log(`    ${seconds(start)}  ${latest.slice(0, 100)}`), 15_000);
  try {
    const result = await work((line) => { latest = line; });
    console.log(`    done in ${seconds(start)}`);
    return result;
  } finally {
    clearInterval(heartbeat);
  }
}

/** Does one of several checks, under a heading. The last one says nothing after its own output. */
export async function check(name, work, { last = false } = {}) {
  const start = Date.now();
  console.log(`\n== ${name} ==`);
  const result = await work();
  if (!last) console.log(`== ${name}: ok, ${seconds(start)}`);
  return result;
}

const LOCK_STALE_MS = 10_000;

/** Runs `work` while no other process holds `lock`, a folder whose owner touches it every second. */
export async function withLock(lock, work) {
  mkdirSync(dirname(lock), { recursive: true });
  for (let waited = 0; !tryLock(lock); waited += 1) {
    if (waited === 0) console.log(`waiting for another process to finish (${lock})…`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const touch = setInterval(() => utimesSync(lock, new Date(), new Date()), 1000);
  const release = () => rmSync(lock, { recursive: true, force: true });
  const forget = onExit(release);
  try {
    return await work();
  } finally {
    clearInterval(touch);
    forget();
    release();
  }
}

function tryLock(lock) {
  try {
    mkdirSync(lock);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    if (isStale(lock)) setAside(lock);
    return false;
  }
}

function isStale(lock) {
  const stat = statSync(lock, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.mtimeMs > LOCK_STALE_MS;
}

/** Only one of several waiting processes can rename it, so a lock taken anew is not lost. */
function setAside(lock) {
  const aside = `${lock}.stale-${process.pid}`;
  try {
    renameSync(lock, aside);
    rmSync(aside, { recursive: true, force: true });
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
}
