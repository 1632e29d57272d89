// What is uploaded of Postern, and how long it takes to start; the yardstick is a Worker in Rust that does nothing.
import { UPLOAD_BUDGET_KIB } from '../lib.mjs';
import { median } from './load.mjs';
import { settings } from './postern.mjs';
import { fine, table, target, whole } from './table.mjs';
import { BASELINE, POSTERN, start, uploadSize } from './workers.mjs';

const STARTS = 11;
const COLD_START = { most: 3 };
const SIZE = { most: UPLOAD_BUDGET_KIB };

export async function measure() {
  console.log(`modules: ${STARTS} starts of each, in turns…`);
  const starts = { postern: [], baseline: [] };
  for (let turn = 0; turn < STARTS; turn += 1) {
    starts.postern.push(await coldStart(POSTERN, settings));
    starts.baseline.push(await coldStart(BASELINE));
  }
  const ratio = median(starts.postern.map((milliseconds, turn) => milliseconds / starts.baseline[turn]));
  return { workers: [describe(POSTERN, starts.postern), describe(BASELINE, starts.baseline)], ratio };
}

async function coldStart(worker, settings) {
  const server = await start(worker, settings);
  await server.stop();
  return server.startedIn;
}

function describe(worker, starts) {
  const { raw, gzip } = uploadSize(worker);
  return { name: worker.name, kib: raw / 1024, gzipKib: gzip / 1024, coldStart: median(starts), starts };
}

export const ratios = ({ workers: [postern], ratio }) => [
  { name: 'cold start / that of an empty Rust Worker', value: ratio, ...COLD_START },
  { name: 'upload, gzip KiB', value: postern.gzipKib, ...SIZE },
];

export function print({ workers, ratio }) {
  const cells = ({ name, kib, gzipKib, coldStart }, size) => [name, whole(kib), whole(gzipKib), size, fine(coldStart)];
  const [postern, baseline] = workers;
  const rows = [[...cells(postern, target(SIZE)), fine(ratio), target(COLD_START)], cells(baseline, '')];
  table('modules', ['KiB', 'gzip KiB', 'target', 'cold start ms', 'of empty', 'target'], rows);
}

export const notes = [
  'Modules: all that is uploaded, the script index.js and index_bg.wasm, packed together with gzip\'s usual effort.',
  `Cold start: process start to the first answer, workerd's own part in it, median of ${STARTS}.`,
];
