// An issuer of access tokens for tests: the certified server oidc-provider, with client credentials alone.
// Environment: ISSUER, PORT, CERT and KEY (files), TTL (seconds that a token lasts), SECRET (of the client harvester).
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { Provider } from 'oidc-provider';

const { ISSUER, PORT, CERT, KEY, TTL, SECRET } = process.env;
const scopes = ['compute.read', 'compute.modify', 'compute.create', 'compute.cancel'];
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const signing = { ...privateKey.export({ format: 'jwk' }), kid: 'test', use: 'sig', alg: 'RS256' };

const provider = new Provider(ISSUER, {
  clients: [{
    client_id: 'harvester',
    client_secret: SECRET,
    token_endpoint_auth_method: 'client_secret_post',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  }],
  jwks: { keys: [signing] },
  scopes,
  extraParams: ['audience'],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: (context) => audienceOf(context.oidc.body.audience),
      useGrantedResource: () => true,
      getResourceServerInfo: (_context, resource) => ({
        scope: scopes.join(' '),
        audience: spokenOf(resource),
        accessTokenTTL: Number(TTL),
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  ttl: { ClientCredentials: Number(TTL) },
});

// Resources have to be absolute addresses; the audiences of some computing elements are not, so they travel in one.
function audienceOf(audience) {
  return /^https?:/.test(audience) ? audience : `urn:audience:${audience}`;
}

function spokenOf(resource) {
  return resource.replace(/^urn:audience:/, '');
}

https.createServer({ cert: readFileSync(CERT), key: readFileSync(KEY) }, provider.callback()).listen(Number(PORT), '127.0.0.1');
