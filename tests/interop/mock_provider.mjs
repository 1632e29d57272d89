// oauth2-mock-server as an authorization server on this machine, behind a proxy that ends TLS. It authenticates nobody,
// asks nobody, takes any refresh token and forgets none; what its hooks add here: the life of its tokens, its name in what
// it sends back (RFC 9207), and the fault that a test ordered.
//
// Reads the variables of scripts/provider.mjs. `PUT /fault` orders what every token request is answered from then on, by a
// JSON object; `{}` ends it:
//   status      status code
//   headers     header fields to add
//   body        the whole JSON body
//   members     members of the good body to set, or to leave out where they are null
//   text        the whole body as it is, of the media type `type`
//   hangsUp     close the connection without an answer
//   waits       milliseconds before the answer
//   revocation  status code of revocations
import { once } from 'node:events';
import express from 'express';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { OAuth2Server } from 'oauth2-mock-server';

const { env } = process;
const ISSUER = env.PROVIDER_ISSUER;
const ACCESS_TTL = Number(env.PROVIDER_ACCESS_TTL);
const { issuer, service } = new OAuth2Server();
let fault = {};

issuer.url = ISSUER;
await issuer.keys.generate('ES256');
const keys = createLocalJWKSet({ keys: issuer.keys.toJSON() });

service.on('beforeTokenSigning', ({ payload }) => {
  payload.exp = payload.iat + ACCESS_TTL;
});
service.on('beforeAuthorizeRedirect', ({ url }) => url.searchParams.set('iss', ISSUER));
service.on('beforeResponse', (answer, { res }) => {
  const { status = 200, headers = {}, body, members = {}, text, type } = fault;
  answer.statusCode = status;
  answer.body = body ?? withMembers({ ...answer.body, expires_in: ACCESS_TTL }, members);
  res.set(headers);
  // The hook is asked for JSON only, and at once: what is neither takes the place of the method that is called next.
  const json = res.json.bind(res);
  const send = text === undefined ? json : () => res.type(type).send(text);
  if (fault.hangsUp) res.json = () => res.destroy();
  else res.json = (value) => void setTimeout(send, fault.waits ?? 0, value);
});

service.on('beforeRevoke', (answer) => {
  answer.statusCode = fault.revocation ?? 200;
});

function withMembers(body, members) {
  const entries = Object.entries({ ...body, ...members });
  return Object.fromEntries(entries.filter(([, value]) => value !== null));
}

/** A resource for the tokens that the server signed: it is no part of the server, whose own resource takes any token. */
async function api(request, response) {
  const [, token = ''] = /^Bearer (.+)$/.exec(request.get('Authorization')) ?? [];
  try {
    const { payload } = await jwtVerify(token, keys, { issuer: ISSUER });
    response.json({ user: payload.sub ?? null });
  } catch {
    response.set('WWW-Authenticate', 'Bearer').sendStatus(401);
  }
}

const app = express();
app.put('/fault', express.json(), (request, response) => {
  fault = request.body;
  response.sendStatus(204);
});
app.get('/api', api);
app.use(service.requestHandler);
const listener = app.listen(Number(env.PROVIDER_PORT), '127.0.0.1');
await once(listener, 'listening');
console.log(`listening on http://127.0.0.1:${listener.address().port}`);
