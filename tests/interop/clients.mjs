// OAuth client libraries that others wrote, each as its own documentation uses it. The argument names the library; the
// tasks are the same for each: `connect` sets it up, `token` gets a token, `use` calls an API with it (and gets a new
// one where this one has expired), `introspect` and `revoke` ask about it and end it.
import { OAuth2Client, OAuth2Fetch } from '@badgateway/oauth2-client';
import { importJWK } from 'jose';
import * as oauth4webapi from 'oauth4webapi';
import * as openid from 'openid-client';
import { ClientCredentials } from 'simple-oauth2';
import { converse } from './conversation.mjs';

/** Keeps no time: that a token has expired it learns from our challenge. */
class Oauth4webapi {
  #http = { [oauth4webapi.allowInsecureRequests]: true }; // loopback

  async connect({ issuer, id, ...credentials }) {
    const url = new URL(issuer);
    const response = await oauth4webapi.discoveryRequest(url, { ...this.#http, algorithm: 'oauth2' });
    this.server = await oauth4webapi.processDiscoveryResponse(url, response);
    this.client = { client_id: id };
    this.authentication = await authentication(oauth4webapi, credentials);
    return this.server;
  }

  async token(wanted) {
    const { server, client } = this;
    const response =
      await oauth4webapi.clientCredentialsGrantRequest(server, client, this.authentication, wanted, this.#http);
    this.granted = await oauth4webapi.processClientCredentialsResponse(server, client, response);
    this.wanted = wanted;
    return this.granted;
  }

  async use({ url }) {
    try {
      return answer(await this.#call(url), this.granted.access_token);
    } catch (error) {
      if (error.cause?.[0]?.parameters.error !== 'invalid_token') throw error;
      await this.token(this.wanted);
      return answer(await this.#call(url), this.granted.access_token);
    }
  }

  #call(url) {
    const { access_token } = this.granted;
    return oauth4webapi.protectedResourceRequest(access_token, 'GET', new URL(url), undefined, undefined, this.#http);
  }

  async introspect() {
    const { server, client, authentication, granted } = this;
    const response =
      await oauth4webapi.introspectionRequest(server, client, authentication, granted.access_token, this.#http);
    return oauth4webapi.processIntrospectionResponse(server, client, response);
  }

  async revoke() {
    const { server, client, authentication, granted } = this;
    const response =
      await oauth4webapi.revocationRequest(server, client, authentication, granted.access_token, this.#http);
    return oauth4webapi.processRevocationResponse(response);
  }
}

class OpenidClient {
  async connect({ issuer, id, ...credentials }) {
    this.config = await openid.discovery(new URL(issuer), id, {}, await authentication(openid, credentials), {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests], // loopback
    });
    return this.config.serverMetadata();
  }

  async token(wanted) {
    this.granted = await openid.clientCredentialsGrant(this.config, wanted);
    this.wanted = wanted;
    return this.granted;
  }

  async use({ url }) {
    if (this.granted.expiresIn() === 0) await this.token(this.wanted);
    const { access_token } = this.granted;
    return answer(await openid.fetchProtectedResource(this.config, access_token, new URL(url), 'GET'), access_token);
  }

  introspect() {
    return openid.tokenIntrospection(this.config, this.granted.access_token);
  }

  revoke() {
    return openid.tokenRevocation(this.config, this.granted.access_token);
  }
}

/** Has neither discovery nor introspection nor requests to an API. */
class SimpleOauth2 {
  connect({ issuer, id, method, secret }) {
    this.client = new ClientCredentials({
      client: { id, secret },
      auth: { tokenHost: issuer, tokenPath: '/api/v1/oauth/token', revokePath: '/api/v1/oauth/revoke' },
      options: { authorizationMethod: method === 'client_secret_post' ? 'body' : 'header' },
    });
  }

  async token(wanted) {
    this.granted = await this.client.getToken(wanted);
    this.wanted = wanted;
    return this.granted.token;
  }

  async use({ url }) {
    if (this.granted.expired()) await this.token(this.wanted);
    const { token_type, access_token } = this.granted.token;
    return answer(await fetch(url, { headers: { Authorization: `${token_type} ${access_token}` } }), access_token);
  }

  revoke() {
    return this.granted.revoke('access_token');
  }
}

/** Discovers what it needs when it needs it, and its `fetch` gets tokens by itself. */
class Badgateway {
  async connect({ issuer, id, method, secret }) {
    const post = method === 'client_secret_post' && { authenticationMethod: method };
    this.client = new OAuth2Client({ server: issuer, clientId: id, clientSecret: secret, ...post });
    return {
      token_endpoint: await this.client.getEndpoint('tokenEndpoint'),
      introspection_endpoint: await this.client.getEndpoint('introspectionEndpoint'),
      revocation_endpoint: await this.client.getEndpoint('revocationEndpoint'),
    };
  }

  async token({ scope, resource }) {
    this.api = new OAuth2Fetch({
      client: this.client,
      getNewToken: () => this.client.clientCredentials({ scope: scope?.split(' '), resource }),
      storeToken: (token) => { this.granted = token; },
    });
    const token = await this.api.getToken();
    const expires_in = Math.round((token.expiresAt - Date.now()) / 1000);
    return { access_token: token.accessToken, scope: token.scope.join(' '), expires_in };
  }

  async use({ url }) {
    return answer(await this.api.fetch(url), this.granted.accessToken);
  }

  introspect() {
    return this.client.introspect(this.granted);
  }

  revoke() {
    return this.client.revoke(this.granted);
  }
}

/** Client authentication, in the words that two of the libraries share. */
async function authentication(library, { method, secret, key, alg }) {
  if (method === 'client_secret_basic') return library.ClientSecretBasic(secret);
  if (method === 'client_secret_post') return library.ClientSecretPost(secret);
  return library.PrivateKeyJwt(await importJWK(key, alg));
}

/** What an API answered, and with which token it was called at the end. */
function answer(response, access_token) {
  return { status: response.status, challenge: response.headers.get('www-authenticate'), access_token };
}

/** What a library says of a refusal, wherever it says that. */
async function told(error) {
  if (error.isBoom) return { error: error.data.payload.error, status: error.output.statusCode };
  if (error.oauth2Code) return { error: error.oauth2Code, status: error.httpCode };
  if (!Array.isArray(error.cause)) return { error: error.error ?? error.name, status: error.status };
  // A challenge of ours, parsed; that of Basic (RFC 7617) has no error, the body has it.
  const [{ scheme, parameters }] = error.cause;
  const code = scheme === 'basic' ? (await error.response.json()).error : parameters.error;
  return { error: code, status: error.status, scope: parameters.scope };
}

const libraries = {
  'oauth4webapi': Oauth4webapi,
  'openid-client': OpenidClient,
  'simple-oauth2': SimpleOauth2,
  '@badgateway/oauth2-client': Badgateway,
};
await converse(new libraries[process.argv[2]](), told);
