// A tick that finds nothing to do, with few connections in the directory and with many.
import { join } from 'node:path';
import { Failure, inScratch, progress } from '../lib.mjs';
import { median } from './load.mjs';
import { connect, startPostern } from './postern.mjs';
import { startProvider } from './provider.mjs';
import { fine, table, target, whole } from './table.mjs';
import { STATE, SURGEON, start } from './workers.mjs';

const SIZES = [1_000, 100_000];
const WARM_UPS = 20;
const TICKS = 100;
const TARGET = { most: 1.5 };
const YEAR = 31_536_000; // seconds: nothing is due

export async function measure() {
  const provider = await startProvider();
  provider.lifetime = YEAR;
  const folder = (size) => join(STATE, `postern-bench-idle-${process.pid}-${size}`);
  return inScratch(folder(SIZES[0]), () => inScratch(folder(SIZES[1]), async () => {
    const posterns = [];
    for (const size of SIZES) {
      const label = `idle: writing ${whole(size)} connections into a directory`;
      await progress(label, () => seed(provider, folder(size), size));
      posterns.push(await startPostern(folder(size)));
      await check(posterns.at(-1), size);
    }
    console.log(`idle: ${TICKS} ticks each, in turns…`);
    const times = await takeTurns(posterns);
    await Promise.all(posterns.map((postern) => postern.stop()));
    const cases = SIZES.map((connections, index) => ({
      connections, milliseconds: median(times[index]), ticks: times[index],
    }));
    return { cases, ratio: cases[1].milliseconds / cases[0].milliseconds };
  }));
}

/** Makes one connection, then copies of its row while nobody else has the database open. */
async function seed(provider, folder, size) {
  const postern = await startPostern(folder);
  await connect(postern, provider, ['bench']);
  await postern.stop();
  const surgeon = await start(SURGEON, undefined, folder);
  const sql = async (text) => {
    const answer = await fetch(`${surgeon.url}/Directory/directory`, { method: 'POST', body: text });
    if (!answer.ok) throw new Failure(`idle: ${await answer.text()}`);
    return answer.json();
  };
  const columns = await sql("SELECT name FROM pragma_table_info('connection')");
  await sql(copies(columns.flat(), size - 1));
  await surgeon.stop();
}

/** Rows like the one that is there, each with a key, a name, an instance key and a due instant of its own. */
function copies(columns, count) {
  const key = "printf('bench-%06d', number)";
  const own = {
    key, name: key, due: 'due + number % 86400',
    view: `json_set(view, '$.key', ${key}, '$.name', ${key}, '$.saas_config.fides_key', ${key})`,
  };
  return `
    WITH RECURSIVE counter (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM counter WHERE number < ${count})
    INSERT INTO connection (${columns})
    SELECT ${columns.map((column) => own[column] ?? column)} FROM connection, counter`;
}

/** The rows are there, as the list shows. */
async function check(postern, size) {
  const { total, items } = await postern.call('GET', '/connection?size=2');
  if (total === size && items[1]?.key === 'bench-000001') return;
  throw new Failure(`idle: ${total} connections instead of ${size}; one is ${JSON.stringify(items[1])}`);
}

/** One tick of each, again and again: a machine that gets slower or faster does so for both. */
async function takeTurns(posterns) {
  const times = posterns.map(() => []);
  for (let tick = 0; tick < WARM_UPS + TICKS; tick += 1) {
    for (const [index, postern] of posterns.entries()) {
      const clock = performance.now();
      const report = await postern.call('POST', '/sweep');
      if (tick >= WARM_UPS) times[index].push(performance.now() - clock);
      if (report.due !== 0) throw new Failure(`idle: something was due: ${JSON.stringify(report)}`);
    }
  }
  return times;
}

export const ratios = ({ ratio }) => [
  { name: `idle tick, ${whole(SIZES[1])} connections / ${whole(SIZES[0])}`, value: ratio, ...TARGET },
];

export function print({ cases, ratio }) {
  const rows = cases.map(({ connections, milliseconds }) => [`${whole(connections)} connections`, fine(milliseconds)]);
  rows[1].push(fine(ratio), target(TARGET));
  table(`idle tick, medians of ${TICKS}`, ['ms', `of ${whole(cases[0].connections)}`, 'target'], rows);
}

export const notes = [];
