// Every check there is, in order, up to the first that fails. Arguments go to `cargo test`, which comes last.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from './build.mjs';
import { fuzzBriefly } from './fuzz.mjs';
import { Failure, UPLOAD_BUDGET_KIB, attempt, check, inRoot, inScratch, main, npmBin, progress, run } from './lib.mjs';
import { checkCurl, checkCxx, setUp, workerd } from './setup.mjs';

const show = true;

await main(async () => {
  await checkCxx();
  await checkCurl();
  await setUp();
  await cargoTools();
  await check('build', build);
  await check('format', format);
  await check('lint, host', () => run('cargo', ['lint-host'], { show }));
  await check('lint, wasm', () => run('cargo', ['lint-wasm'], { show }));
  await check('lint, fuzz', () => run('cargo', ['lint-fuzz'], { show }));
  await check('documentation', documentation);
  await check('upload size', uploadSize);
  await check('fuzz, short', fuzzBriefly);
  await check('benches, once each', benches);
  await check('tests', tests, { last: true });
});

/** A minimal rustup profile has neither of them. */
async function cargoTools() {
  for (const tool of ['clippy', 'fmt']) {
    if ((await attempt('cargo', [tool, '--version'])).ok) continue;
    const component = tool === 'fmt' ? 'rustfmt' : tool;
    await progress(`[setup] rustup component add ${component}`, () => run('rustup', ['component', 'add', component]));
  }
}

async function format() {
  await run('cargo', ['fmt', '--all', '--check'], { show });
  await run('cargo', ['fmt', '--manifest-path', inRoot('fuzz', 'Cargo.toml'), '--check'], { show });
}

async function documentation() {
  const args = ['doc', '--no-deps', '--workspace', '--document-private-items', '--locked'];
  await run('cargo', args, { show, env: { RUSTDOCFLAGS: '-Dwarnings' } });
}

async function uploadSize() {
  const folder = join(tmpdir(), `postern-upload-${process.pid}`);
  const env = { WRANGLER_SEND_METRICS: 'false', WRANGLER_LOG_PATH: folder, CI: 'true', NO_COLOR: '1' };
  const args = ['deploy', '--dry-run', '--outdir', folder];
  const output = await inScratch(folder, () => run(npmBin('wrangler'), args, { env }));
  const size = /gzip: ([\d.]+) KiB/.exec(output);
  if (!size) throw new Failure(`wrangler did not print the upload size:\n${output}`);
  console.log(`gzip ${size[1]} KiB of at most ${UPLOAD_BUDGET_KIB} KiB`);
  if (Number(size[1]) > UPLOAD_BUDGET_KIB) throw new Failure('The upload is larger than its budget.');
}

/** In the profile of the tests: whether they still run, not how fast. */
async function benches() {
  await run('cargo', ['test', '--package', 'postern', '--bench', 'postern', '--locked'], { show });
}

async function tests() {
  const env = { POSTERN_WORKERD: workerd(), POSTERN_NODE: process.execPath };
  const { ok } = await attempt('cargo', ['test', '--workspace', '--locked', ...process.argv.slice(2)], { show, env });
  if (!ok) process.exit(1);
}
