// @node-oauth/oauth2-server as an authorization server on this machine, behind a proxy that ends TLS. What the package
// leaves to its user is here: pages, storage (in memory), and what becomes of a grant whose code or refresh token comes
// twice (RFC 6749 §4.1.2, RFC 9700 §4.14.2: it ends).
//
// Reads the variables of scripts/provider.mjs. Two clients: one for people's tokens, `…-machine` for its own; the package
// does not care how they send their secret. Any user name, the password `any`.
import { randomUUID } from 'node:crypto';
import OAuth2Server from '@node-oauth/oauth2-server';
import express from 'express';

const { env } = process;
const { Request, Response } = OAuth2Server;
const SCOPE = 'api';
const LOG_IN = '<form method="post"><input type="text" name="user"><input type="password" name="password">' +
  '<input type="submit" value="Log in"></form>';
const CONSENT = '<form method="post"><input type="submit" name="allowed" value="true"></form>';

const clients = new Map([
  client(env.PROVIDER_CLIENT_ID, ['authorization_code', 'refresh_token']),
  client(`${env.PROVIDER_CLIENT_ID}-machine`, ['client_credentials']),
]);
const sessions = new Map();
const codes = new Map();
const accessTokens = new Map();
const refreshTokens = new Map();

function client(id, grants) {
  return [id, { id, grants, secret: env.PROVIDER_CLIENT_SECRET, redirectUris: [env.PROVIDER_REDIRECT_URI] }];
}

/** What somebody gave a client: the package hands it on as the `user` of each code and token that comes of it. */
function newGrant(user) {
  return { user, isOver: false };
}

/** What the package asks of its user. */
const model = {
  getClient: (id, secret) => {
    const found = clients.get(id);
    return secret === null || found?.secret === secret ? found : undefined;
  },
  validateScope: (_user, _client, scope) => scope?.every((each) => each === SCOPE) && scope,
  verifyScope: (token, scope) => scope.every((each) => token.scope.includes(each)),
  getUserFromClient: () => newGrant(null),
  saveAuthorizationCode: (code, of, user) => keep(codes, code.authorizationCode, { ...code, client: of, user }),
  getAuthorizationCode: (value) => usedOnce(codes.get(value)),
  revokeAuthorizationCode: ({ authorizationCode }) => use(codes.get(authorizationCode)),
  saveToken: (token, of, user) => {
    const saved = { ...token, client: of, user };
    if (saved.refreshToken) keep(refreshTokens, saved.refreshToken, { ...saved });
    return keep(accessTokens, saved.accessToken, saved);
  },
  getAccessToken: (value) => alive(accessTokens.get(value)),
  getRefreshToken: (value) => usedOnce(refreshTokens.get(value)),
  revokeToken: ({ refreshToken }) => use(refreshTokens.get(refreshToken)),
};

function keep(map, name, value) {
  map.set(name, value);
  return value;
}

function alive(found) {
  return found?.user.isOver ? undefined : found;
}

/** What was used and comes again was stolen, then or now. */
function usedOnce(found) {
  if (found?.isUsed) found.user.isOver = true;
  return alive(found);
}

function use(found) {
  found.isUsed = true;
  return true;
}

const server = new OAuth2Server({
  model, accessTokenLifetime: Number(env.PROVIDER_ACCESS_TTL), refreshTokenLifetime: 86_400, authorizationCodeLifetime: 60,
});

/** Has the package answer a request. It throws what it has not put into the answer. */
async function answer({ headers, method, query, body }, response, step) {
  const answered = new Response();
  try {
    answered.body = await step(new Request({ headers, method, query, body }), answered) ?? answered.body;
  } catch (error) {
    if (answered.status === 200) answered.status = error.code;
  }
  response.status(answered.status).set(answered.headers).send(answered.body);
}

function session(request) {
  return sessions.get(/\bsession=([^;]+)/.exec(request.get('Cookie'))?.[1]);
}

function authorizationPage(request, response) {
  response.send(session(request) ? CONSENT : LOG_IN);
}

function authorizationForm(request, response) {
  if (request.body.password === 'any') {
    const id = randomUUID();
    sessions.set(id, request.body.user);
    response.cookie('session', id, { httpOnly: true, secure: true, sameSite: 'lax' }).send(CONSENT);
    return undefined;
  }
  if (!session(request)) return authorizationPage(request, response);
  request.body.allowed ??= 'false';
  const authenticateHandler = { handle: () => newGrant(session(request)) };
  return answer(request, response, async (...both) => {
    await server.authorize(...both, { authenticateHandler });
  });
}

/** The page of a person who ends what was granted: no endpoint of the package's. */
function withdraw(request, response) {
  const found = refreshTokens.get(request.body.token);
  if (found) found.user.isOver = true;
  response.sendStatus(found ? 200 : 404);
}

const app = express();
app.disable('x-powered-by');
app.use(express.urlencoded({ extended: false }));
app.get('/authorize', authorizationPage);
app.post('/authorize', authorizationForm);
app.post('/token', (request, response) => answer(request, response, async (...both) => {
  await server.token(...both);
}));
app.post('/withdraw', withdraw);
app.get('/api', (request, response) => answer(request, response, async (...both) => {
  const { user } = await server.authenticate(...both, { scope: [SCOPE] });
  return { user: user.user };
}));
const listener = app.listen(Number(env.PROVIDER_PORT), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${listener.address().port}`);
});
