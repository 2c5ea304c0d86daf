// What oidc-provider is told: its clients, the features that doorward speaks, and whatever the environment changes.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { errors, interactionPolicy } from 'oidc-provider';
import { findAccount, groupsOf } from './people.js';
import * as pages from './pages.js';

/** The API in front of which doorward stands, as a resource (RFC 8707) and as the audience of its access tokens. */
const resource = 'urn:doorward:demo-api';
const audience = 'demo-api';

/** The whole configuration. Keys and secrets of its own are made anew at every start. */
export function configuration(env) {
  return {
    clients: [doorward(env), program(env)],
    findAccount,
    jwks: { keys: signingKeys() },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    claims: {
      openid: ['sub'],
      profile: ['name', 'preferred_username'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
      acr: null, auth_time: null, iss: null, sid: null,
    },
    acrValues: ['pwd', 'mfa'],
    pkce: { required: () => true },
    features: features(env),
    interactions: { policy: policy(), url: (ctx, { uid }) => `/interaction/${uid}` },
    loadExistingGrant: grantEverything,
    issueRefreshToken: (ctx, { grantTypes }) => grantTypes.includes('refresh_token'),
    rotateRefreshToken: () => true,
    extraTokenClaims: (ctx, { accountId }) => ({ groups: accountId ? groupsOf(accountId) : ['Dev'] }),
    assertJwtClientAuthClaimsAndHeader: issuerIsTheAudience,
    // The guard that comes along as dispatcher keeps oidc-provider from reporting logouts to loopback, where doorward is here.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    ttl: {
      AccessToken: Number(env.ACCESS_TOKEN_SECONDS ?? 3600),
      IdToken: 3600, RefreshToken: 86400, Grant: 86400, Session: 86400, Interaction: 3600,
    },
    renderError: (ctx, out) => html(ctx, pages.error(out)),
  };
}

/** doorward, as it would be registered at any provider. */
function doorward(env) {
  const origin = env.DOORWARD_URL ?? 'http://localhost:4180';
  const method = env.CLIENT_AUTH ?? 'client_secret_basic';
  return {
    client_id: 'doorward',
    token_endpoint_auth_method: method,
    ...(method === 'private_key_jwt'
      ? { jwks: JSON.parse(env.CLIENT_JWKS) }
      : { client_secret: env.CLIENT_SECRET ?? 'doorward-demo-secret' }),
    response_types: ['code'],
    grant_types: env.REFRESH_TOKENS === 'false' ? ['authorization_code'] : ['authorization_code', 'refresh_token'],
    redirect_uris: [`${origin}/oauth2/callback`],
    post_logout_redirect_uris: [`${origin}/oauth2/sign_out`],
    ...(env.BACKCHANNEL_LOGOUT !== 'false' && {
      backchannel_logout_uri: `${origin}/oauth2/backchannel-logout`,
      backchannel_logout_session_required: true,
    }),
    id_token_signed_response_alg: env.ID_TOKEN_ALG ?? 'RS256',
    require_auth_time: true,
  };
}

/** A program that calls the API behind doorward: for somebody whom it signed in, or in its own name, as one of the group Dev. */
function program(env) {
  return {
    client_id: 'program',
    client_secret: 'program-demo-secret',
    response_types: ['code'],
    grant_types: ['authorization_code', 'client_credentials'],
    redirect_uris: [env.PROGRAM_CALLBACK ?? 'http://localhost:8085/callback'],
  };
}

function features(env) {
  return {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: env.REQUIRE_PAR === 'true' },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => html(ctx, pages.logout(form)),
      postLogoutSuccessSource: (ctx) => html(ctx, pages.signedOut()),
    },
    // Without `resource` the access token is opaque and good for userinfo alone, and claims are in userinfo alone. With it, it
    // is the API's: userinfo refuses it, and the ID token has the claims.
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, indicator) => resourceServer(env, indicator),
    },
  };
}

function resourceServer(env, indicator) {
  if (indicator !== resource) {
    throw new errors.InvalidTarget();
  }
  return {
    scope: '',
    audience,
    accessTokenFormat: env.ACCESS_TOKENS ?? 'jwt',
    jwt: { sign: { alg: env.ID_TOKEN_ALG ?? 'RS256' } },
  };
}

/** One key of each kind, so that whoever verifies has to choose. */
function signingKeys() {
  return [
    ['RS256', 'rsa', { modulusLength: 2048 }],
    ['PS256', 'rsa', { modulusLength: 2048 }],
    ['ES256', 'ec', { namedCurve: 'P-256' }],
    ['EdDSA', 'ed25519', {}],
  ].map(([alg, type, options]) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig' }));
}

/** The usual prompts, and a login whenever a class is asked for (acr_values) that the session does not have. */
function policy() {
  const prompts = interactionPolicy.base();
  prompts.get('login').checks.add(new interactionPolicy.Check('acr_values', 'a stronger login is required', ({ oidc }) => {
    const asked = oidc.params.acr_values?.split(' ') ?? [];
    return asked.length > 0 && !asked.includes(oidc.acr) && !oidc.result?.login;
  }));
  return prompts;
}

/** Nobody is asked for consent: the one client is the house's own. */
async function grantEverything({ oidc }) {
  const known = oidc.session.grantIdFor(oidc.client.clientId);
  const grant = (known && await oidc.provider.Grant.find(known))
    ?? new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
  grant.addOIDCScope([...oidc.requestParamScopes].join(' '));
  await grant.save();
  return grant;
}

/** FAPI 2.0 5.3.3.1 (5): an assertion is for this issuer, as a plain string, and for nobody else. */
function issuerIsTheAudience(ctx, { aud }) {
  if (aud !== ctx.oidc.issuer) {
    throw new errors.InvalidClientAuth('the audience of the assertion is not the issuer alone');
  }
}

function html(ctx, page) {
  ctx.type = 'html';
  ctx.body = page;
}
