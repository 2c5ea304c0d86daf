// A provider to try doorward with: panva's certified oidc-provider, on loopback, in memory. README.md lists the environment.
// Whoever reaches it can be anybody, so it is no provider for production.

import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import Provider from 'oidc-provider';
import { configuration } from './configuration.js';
import { names } from './people.js';
import * as pages from './pages.js';

const port = Number(process.env.PORT ?? 8080);
const issuer = `http://localhost:${port}`;
const provider = new Provider(issuer, configuration(process.env));
const protocol = provider.callback();

// What goes wrong between provider and client is told here, since the person sees little of it.
for (const event of ['authorization.error', 'grant.error', 'pushed_authorization_request.error', 'userinfo.error',
  'introspection.error', 'revocation.error', 'end_session.error', 'server_error']) {
  provider.on(event, (ctx, error) => console.error(`${event}: ${error.message} ${error.error_description ?? ''} ${error.error_detail ?? ''}`));
}
provider.on('backchannel.success', (ctx, client, account) => console.error(`backchannel.success: ${account}`));
provider.on('backchannel.error', (ctx, error) => console.error(`backchannel.error: ${error.message} ${error.cause ?? ''}`));

createServer(answer).listen(port, '127.0.0.1', () => console.error(`${issuer} is ready`));

async function answer(req, res) {
  if (!req.url.startsWith('/interaction/')) {
    return protocol(req, res);
  }
  try {
    await (req.method === 'POST' ? signIn(req, res) : ask(req, res));
  } catch (error) { // the login is unknown, too old, or was another browser's
    res.writeHead(400, { 'content-type': 'text/html; charset=utf-8' }).end(pages.error({ error: error.message }));
  }
}

/** Shows the login page of a login under way. */
async function ask(req, res) {
  const { uid } = await provider.interactionDetails(req, res);
  res.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(pages.login(uid, names));
}

/** Signs in the person whose button was pressed. */
async function signIn(req, res) {
  const form = new URLSearchParams(await text(req));
  const acr = form.get('factor') === 'second' ? 'mfa' : 'pwd';
  await provider.interactionFinished(req, res, { login: { accountId: form.get('user'), acr } }, { mergeWithLastSubmission: false });
}
