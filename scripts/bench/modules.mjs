// Sizes and cold starts of both Workers.
import { median } from './load.mjs';
import { table, whole } from './table.mjs';
import { BASELINE, POSTERN, moduleSize, start } from './workers.mjs';

const STARTS = 5;

export async function measure() {
  console.log(`modules: ${STARTS} starts of each…`);
  return [await describe(POSTERN), await describe(BASELINE)];
}

async function describe(worker) {
  const starts = [];
  for (let count = 0; count < STARTS; count += 1) {
    const server = await start(worker);
    await server.stop();
    starts.push(server.startedIn);
  }
  return { name: worker.name, ...moduleSize(worker), coldStart: median(starts), starts };
}

export function print(workers) {
  const kib = (bytes) => whole(bytes / 1024);
  const rows = workers.map(({ name, raw, gzip, coldStart }) => [name, kib(raw), kib(gzip), whole(coldStart)]);
  table('modules', ['KiB', 'gzip KiB', 'cold start ms'], rows);
}

export const notes = [`Cold start: process start to the first answer, median of ${STARTS}.`];
