// Processes that answer HTTP on this machine, and what they use of it.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure, onExit } from '../lib.mjs';

export const HOST = '127.0.0.1';
const START_DEADLINE_MS = 20_000;

/**
 * Runs a program that serves at `url`, until `stop` or the end of this process; then calls `clean`. Waits for an answer
 * at the path `idle`, which takes `startedIn` ms: `{ url, startedIn, cpuSeconds, stop }`.
 */
export async function serve({ name, idle, url, command, env, clean = () => {} }) {
  const clock = performance.now();
  const [program, ...rest] = command;
  const child = spawn(program, rest, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  showSome(child.stderr);
  const ended = new Promise((resolve) => child.once('error', resolve).once('exit', resolve));
  const end = () => {
    child.kill('SIGKILL'); // TERM would drain connections
    clean();
  };
  const forget = onExit(end);
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
    end();
    forget();
  };
  await firstAnswer(name, url + idle, child);
  return { url, startedIn: performance.now() - clock, cpuSeconds: () => cpuSeconds(child.pid), stop };
}

/** An address that nobody listens at: workerd cannot take an open socket from Node, and must know its own address. */
export async function freeAddress() {
  const server = createServer();
  await new Promise((resolve) => { server.listen(0, HOST, resolve); });
  const { port } = server.address();
  await new Promise((resolve) => { server.close(resolve); });
  return `http://${HOST}:${port}`;
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

async function firstAnswer(name, url, child) {
  const deadline = performance.now() + START_DEADLINE_MS;
  while (child.exitCode === null && performance.now() < deadline) {
    const answer = await fetch(url).catch(() => null);
    if (answer?.ok) return;
    await sleep(1);
  }
  throw new Failure(`${name} did not answer at ${url} within ${START_DEADLINE_MS / 1000} s.`);
}
