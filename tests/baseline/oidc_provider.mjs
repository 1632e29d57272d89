// What Postern's token request is held against: the same request at the npm package `oidc-provider`, in a Node process.
// As Postern's, its token is a JWT (RFC 9068) for a resource server, signed with Ed25519; its own default is RS256.
// Such tokens are not stored. One client, from the environment; nothing is logged.
const LIFE = 691_200; // seconds
const SCOPE = 'client:read connection_token:read';
const { PUBLIC_URL, CLIENT_ID, CLIENT_SECRET, PRIVATE_KEY } = process.env;

console.info = console.warn = () => {}; // it has notices, of its store in memory for example
const { Provider } = await import('oidc-provider');

const resourceServer = {
  scope: SCOPE, audience: PUBLIC_URL, accessTokenTTL: LIFE, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'EdDSA' } },
};

const provider = new Provider(PUBLIC_URL, {
  clients: [{
    client_id: CLIENT_ID, client_secret: CLIENT_SECRET, token_endpoint_auth_method: 'client_secret_post', scope: SCOPE,
    grant_types: ['client_credentials'], response_types: [], redirect_uris: [], id_token_signed_response_alg: 'EdDSA',
  }],
  scopes: SCOPE.split(' '),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true, defaultResource: () => PUBLIC_URL, getResourceServerInfo: () => resourceServer,
    },
  },
  jwks: { keys: [{ ...JSON.parse(PRIVATE_KEY), use: 'sig', alg: 'EdDSA' }] },
});

const { hostname, port } = new URL(PUBLIC_URL);
provider.listen(Number(port), hostname);
