// Resource servers that check our access tokens (RFC 9068 §4): the npm packages `jose` and, in front of an express server's
// routes, `express-oauth2-jwt-bearer`. Both begin with nothing but the issuer and their own name, and keep the keys as
// long as their defaults say.
import { once } from 'node:events';
import express from 'express';
import { auth, requiredScopes } from 'express-oauth2-jwt-bearer';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { converse } from './conversation.mjs';

const libraries = { jose: { start, verify }, express: { start: listen } };

/** The keys, and what a token must say: set by `start`. */
let keys;
let expected;

async function start({ issuer, audience }) {
  const metadata = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json();
  keys = createRemoteJWKSet(new URL(metadata.jwks_uri));
  expected = {
    issuer, audience, typ: 'at+jwt', algorithms: ['EdDSA'],
    requiredClaims: ['exp', 'iat', 'sub', 'client_id', 'jti'],
  };
}

async function verify({ token }) {
  const { protectedHeader, payload } = await jwtVerify(token, keys, expected);
  return { header: protectedHeader, claims: payload };
}

/** A server with a route for each of two sets of scopes, which finds the metadata (RFC 8414) with the first token. */
async function listen({ issuer, audience }) {
  const app = express();
  app.use(auth({ issuerBaseURL: issuer, audience, tokenSigningAlg: 'EdDSA', strict: true }));
  app.get('/read', requiredScopes('scope:read'), show);
  app.get('/write', requiredScopes('scope:read client:create'), show);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { origin: `http://127.0.0.1:${server.address().port}` };
}

function show({ auth: { header, payload } }, response) {
  response.json({ header, claims: payload });
}

/** The library's own words: its code and the claim that it is about. */
function told(error) {
  return { error: [error.code ?? error.name, error.claim].filter(Boolean).join(' ') };
}

await converse(libraries[process.argv[2]], told);
