// Builds Postern and serves it on this machine, with its state kept in .wrangler/state. PORT changes the port.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseEnv } from 'node:util';
import { build } from './build.mjs';
import { Failure, inRoot, main, readArguments } from './lib.mjs';
import { setUp } from './setup.mjs';

const HOST = '127.0.0.1';
const PORT = Number(process.env.PORT || 8787);
const ADDRESS = `http://${HOST}:${PORT}`;
const VARS = inRoot('.dev.vars');
const SWEEP = '* * * * *';

const HELP = `npm start: builds Postern and serves it on this machine, at ${ADDRESS}.

The first time it writes .dev.vars with fresh secrets, which is yours from then on: settings go there. State is kept in
.wrangler/state; without it and .dev.vars all begins anew. The sweep runs every minute. PORT=NNNN chooses another port.`;

await main(async () => {
  if (readArguments({ help: { type: 'boolean' } }, HELP).help) return console.log(HELP);
  await checkPort();
  await setUp();
  await build();
  writeFirstSecrets();
  const server = serve(parseEnv(readFileSync(VARS, 'utf8')));
  await untilReady(server);
  setInterval(sweep, 60_000);
  printWelcome();
});

async function checkPort() {
  if (!(PORT > 0 && PORT < 65536)) {
    throw new Failure(`PORT must be a number from 1 to 65535, not "${process.env.PORT}".`);
  }
  const probe = createServer();
  await new Promise((resolve, reject) => {
    probe.once('error', reject).listen(PORT, HOST, () => probe.close(resolve));
  }).catch((error) => {
    if (error.code !== 'EADDRINUSE') throw new Failure(`Cannot listen on ${ADDRESS}: ${error.message}`);
    throw new Failure(`Port ${PORT} is taken. Stop what listens there, or choose another: PORT=${PORT + 1} npm start`);
  });
}

/** Written once and then yours: an existing file stays as it is. */
function writeFirstSecrets() {
  if (existsSync(VARS)) return;
  const secret = (bytes) => randomBytes(bytes).toString('hex');
  const lines = [
    '# Local settings and secrets of Postern, made by `npm start`. Never commit this file.',
    `OAUTH_ROOT_CLIENT_ID=${secret(16)}`,
    `OAUTH_ROOT_CLIENT_SECRET=${secret(32)}`,
    '# The providers\' tokens in .wrangler/state can be read with this key only.',
    `APP_ENCRYPTION_KEY=${secret(32)}`,
    `PUBLIC_URL=${ADDRESS}`,
    '# Development only: providers may be plain http on this machine, such as `npm run provider`.',
    'ALLOW_LOOPBACK_PROVIDERS=true',
  ];
  writeFileSync(VARS, `${lines.join('\n')}\n`, { mode: 0o600, flag: 'wx' });
  console.log('wrote .dev.vars with fresh secrets');
}

function serve(settings) {
  const wrangler = inRoot('node_modules', 'wrangler', 'bin', 'wrangler.js');
  const args = [wrangler, 'dev', '--ip', HOST, '--port', String(PORT), '--inspector-port', '0',
    '--persist-to', inRoot('.wrangler', 'state'), '--show-interactive-dev-session=false', ...publicUrl(settings)];
  const env = {
    ...process.env, WRANGLER_SEND_METRICS: 'false', WRANGLER_HIDE_BANNER: 'true', CLOUDFLARE_CF_FETCH_ENABLED: 'false',
    WRANGLER_LOG_PATH: inRoot('.wrangler', 'logs'),
  };
  const server = spawn(process.execPath, args, { cwd: inRoot(), env, stdio: ['ignore', 'inherit', 'inherit'] });
  server.once('exit', (code) => process.exit(server.stopping ? 0 : code || 1));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.removeAllListeners(signal).on(signal, () => stop(server));
  }
  return server;
}

/** Another PORT than last time: PUBLIC_URL follows, as long as it names this machine. */
function publicUrl({ PUBLIC_URL }) {
  const { hostname, origin } = new URL(PUBLIC_URL || ADDRESS);
  const isLocal = [HOST, 'localhost'].includes(hostname);
  return !PUBLIC_URL || (isLocal && origin !== ADDRESS) ? ['--var', `PUBLIC_URL:${ADDRESS}`] : [];
}

/** wrangler ends its own children; this process ends when wrangler has. */
function stop(server) {
  if (server.stopping) return;
  server.stopping = true;
  server.kill('SIGTERM');
  setTimeout(() => server.kill('SIGKILL'), 10_000).unref();
}

async function untilReady(server) {
  while (!server.stopping) {
    const answer = await fetch(`${ADDRESS}/ready`, { signal: AbortSignal.timeout(2000) }).catch(() => undefined);
    if (answer) return;
    await sleep(200);
  }
}

/** What the cron trigger does on the network; wrangler does not fire it here. */
async function sweep() {
  const query = new URLSearchParams({ cron: SWEEP });
  const fired = fetch(`${ADDRESS}/cdn-cgi/handler/scheduled?${query}`, { signal: AbortSignal.timeout(60_000) });
  await fired.catch((error) => console.error(`sweep: ${error.message}`));
}

function printWelcome() {
  const { OAUTH_ROOT_CLIENT_ID } = parseEnv(readFileSync(VARS, 'utf8'));
  console.log(`
Postern is ready at ${ADDRESS}. The sweep runs every minute; Ctrl-C stops everything.

  root client   ${OAUTH_ROOT_CLIENT_ID}
  its secret    OAUTH_ROOT_CLIENT_SECRET in .dev.vars

A first token, and a call with it (from this folder, in another terminal); README.md walks on from here:

  . ./.dev.vars
  URL=${ADDRESS}
  TOKEN=$(curl -s $URL/api/v1/oauth/token -u "$OAUTH_ROOT_CLIENT_ID:$OAUTH_ROOT_CLIENT_SECRET" \\
    -d grant_type=client_credentials | sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/')
  curl -s $URL/api/v1/oauth/scope -H "Authorization: Bearer $TOKEN"
`);
}
