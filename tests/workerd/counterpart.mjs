// Well-kept OAuth and JOSE libraries as Postern's counterparts. One task per run: its name and its input, as JSON, are the
// arguments, its result goes to standard output, as JSON.
import { importJWK } from 'jose';
import * as oauth from 'openid-client';

const tasks = { walk };

/** What a client does: discovery (RFC 8414), a token, what that is worth (RFC 7662), its end (RFC 7009). */
async function walk({ issuer, id, scope, ...credentials }) {
  const config = await oauth.discovery(new URL(issuer), id, {}, await authentication(credentials), {
    algorithm: 'oauth2',
    execute: [oauth.allowInsecureRequests], // loopback
  });
  const token = await oauth.clientCredentialsGrant(config, { scope });
  const before = await oauth.tokenIntrospection(config, token.access_token);
  await oauth.tokenRevocation(config, token.access_token);
  const after = await oauth.tokenIntrospection(config, token.access_token);
  return { metadata: config.serverMetadata(), token, before, after };
}

async function authentication({ method, secret, key, alg }) {
  if (method === 'client_secret_basic') return oauth.ClientSecretBasic(secret);
  if (method === 'client_secret_post') return oauth.ClientSecretPost(secret);
  return oauth.PrivateKeyJwt(await importJWK(key, alg));
}

const [task, input] = process.argv.slice(2);
const result = await tasks[task](JSON.parse(input)).catch((error) => {
  console.error(error);
  return { error: error.error ?? error.code ?? error.name, status: error.status, claim: error.claim };
});
console.log(JSON.stringify(result));
