// A fetch for pages behind doorward. When the session is over, doorward answers 401 with the address of the login; this fetch goes
// there, and the login comes back to the very view that the person had, with query and fragment. Use it in place of fetch:
//
//   import { fetch } from "./fetch.js"
//
// The page is left for that, as by a reload: what it holds in memory alone is lost. Who wants to save a draft before listens for the event
// "login" on window.

/** fetch, but that a 401 of doorward's leads to the login. Whatever is no such 401 it answers as fetch does. */
export async function fetch(resource, options) {
  const answer = await globalThis.fetch(resource, options)
  const login = answer.status === 401 && await loginAddress(answer)
  if (!login) return answer
  leave(login)
  return new Promise(() => {}) // whoever waits for the answer must not take the page for broken while it is left
}

/** Where doorward wants people to sign in, so that they come back here; undefined where the 401 is somebody else's. */
async function loginAddress(answer) {
  const told = await answer.clone().json().catch(() => undefined)
  if (!told?.login_url || !told.request_id) return undefined
  const login = new URL(told.login_url) // which may ask for a certain login already
  if (login.origin !== location.origin) return undefined // no other site sends people anywhere
  const whole = location.href
  login.searchParams.set("rd", whole.length <= 2048 ? whole : location.href.split("#")[0])
  return login
}

let leaving = false // many requests may find out at once

function leave(login) {
  if (leaving) return
  leaving = true
  window.dispatchEvent(new Event("login"))
  location.assign(login)
}
