// Holds every crate that is compiled against deny.toml: licences, sources, what is banned or there twice, advisories.
import { attempt, check, inRoot, main, run } from './lib.mjs';
import { cargoDeny } from './setup.mjs';

const DATABASE_LIMIT_MS = 60_000;

/** What is in the Worker: built for wasm, without tests; then all that is compiled for it and around it. */
const WORKER = ['--exclude-dev', '--target', 'wasm32-unknown-unknown'];
const WORKSPACE = ['--workspace'];
const FUZZ = ['--manifest-path', inRoot('fuzz', 'Cargo.toml')];

/** An exception may be for one of the trees only. */
const UNUSED = ['license-exception-not-encountered', 'unused-wrapper', 'advisory-not-detected']
  .flatMap((lint) => ['--allow', lint]);

await main(async () => {
  const tool = await cargoDeny();
  const deny = (tree, ...rest) => [tool, ['--config', inRoot('deny.toml'), '--locked', ...tree, ...rest]];
  const judge = (tree, ...what) => run(...deny(tree, 'check', ...UNUSED, ...what), { show: true });
  await check('crates of the Worker', () => judge(WORKER, 'bans'));
  const others = ['--allow', 'duplicate', 'bans', 'licenses', 'sources'];
  await check('crates of the workspace', () => judge(WORKSPACE, '--deny', 'license-not-encountered', ...others));
  await check('crates of the fuzz targets', () => judge(FUZZ, ...others));
  await check('advisories', async () => {
    const { ok, output } = await attempt(...deny([], 'fetch', 'db'), { limit: DATABASE_LIMIT_MS });
    if (!ok) return console.log(`advisories: not checked, the database cannot be reached\n${output.trim()}`);
    for (const tree of [WORKSPACE, FUZZ]) await judge(['--offline', ...tree], 'advisories');
  }, { last: true });
});
