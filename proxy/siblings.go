package proxy

import (
	"net/url"
	"strings"

	"doorward/session"
)

// With COOKIE_DOMAIN a session holds at every host of the domain, and so a login at one of them is a login for all. Hosts that rules or
// upstreams name, and PUBLIC_URL does not, have no callback that the provider knows: whoever needs a login there is sent to begin it at the
// canonical origin, and comes back with the session. Rules that this file keeps:
//
//   - What is handed over is what anybody may ask of /oauth2/start (start.go), and is judged there as if somebody else had asked.
//   - It leads back to an origin that is configured: by its exact name, and with scheme and port of the canonical one (host.go).
//   - No cookie is set on the way. What a login is known by is the canonical origin's alone.

// signInElsewhere sends a person to begin a login at the door of the origin that they are at.
func (p *Proxy) signInElsewhere(x *exchange, login *session.Login, hint string) {
	query := url.Values{"rd": {withoutStop(p.absolute(login.ReturnTo, x.origin))}}
	for name, value := range map[string]string{"acr_values": login.ACRValues, "max_age": login.MaxAge, "login_hint": hint} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if hint != "" {
		query.Set("iss", p.config.IssuerURL) // start.go asks for it beside a hint
	}
	x.outcome = "login"
	x.redirect(p.endpointURL(x.origin.door, "/start") + "?" + query.Encode())
}

// withoutStop is a return address of which the fragment is known (fragment.go), so that nobody stops for it once more.
func withoutStop(returnTo string) string {
	if strings.Contains(returnTo, "#") || len(returnTo) >= session.MaxReturnTo {
		return returnTo
	}
	return returnTo + "#"
}

// absolute is a return address as another origin has to write it. One that gets too long to be kept leads to the front page.
func (p *Proxy) absolute(returnTo string, o *origin) string {
	if returnTo[0] != '/' {
		return returnTo
	}
	if len(o.String())+len(returnTo) > session.MaxReturnTo {
		returnTo = "/"
	}
	return o.String() + returnTo
}
