// The provider's own pages. They need no script and nothing from another server.

const page = (title, body) => `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>${title}</title>
<style>body { font: 1rem/1.5 sans-serif; max-width: 24rem; margin: 4rem auto }</style>
<h1>${title}</h1>
${body}
</html>`;

/** The login: a button for each person, and one box for the second factor. */
export const login = (uid, names) => page('Who are you?', `
<form method="post" action="/interaction/${uid}">
  <p><label><input type="checkbox" name="factor" value="second"> with a second factor</label>
  <p>${names.map((name) => `<button name="user" value="${name}">${name}</button>`).join('\n')}
</form>`);

/** The question before a logout. The form is oidc-provider's own, with its guard against other sites' forms. */
export const logout = (form) => page('Sign out here too?', `
${form}
<button id="yes" form="op.logoutForm" name="logout" value="yes">Yes</button>
<button form="op.logoutForm">No</button>`);

/** The end of a logout that no application asked for. */
export const signedOut = () => page('Signed out', '<p>You can close this page.');

/** An error that goes to the person, not to the application. */
export const error = (out) => page('That did not work', `
<dl>${Object.entries(out).map(([name, value]) => `<dt>${escape(name)}<dd>${escape(value)}`).join('\n')}</dl>`);

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
