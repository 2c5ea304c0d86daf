package proxy

import (
	"net/http"
	"net/url"

	"doorward/session"
)

// The provider shows the browser a page with a frame of ours in it when it signs somebody out (OpenID Connect Front-Channel Logout 1.0).
// Anybody can make a browser load that address, so these are the rules:
//
//   - With iss, of our issuer exactly, and sid (2), that session of the provider's ends if somebody came with it: browsers send our
//     cookie with no frame of another site, and a list of names that nobody came with would be anybody's to fill. But from a browser
//     that does bring a session the sid must be that one's.
//   - Entra ID leaves iss out. There is one provider here, and who it is is no secret: at its issuers, and at no others, sid is enough.
//   - Without them the session ends that the browser brings, if it says that this is a frame: a link on another site signs nobody
//     out (ASVS 3.5.3).
//   - The answer is the same whatever happened, so that nobody learns here which sessions there are. A page of the provider's may
//     show it in a frame, and no other.
//   - It ends sessions here and touches no token at the provider: nobody has proved who asks.

const logoutFrontChannel = "front_channel"

// framePage is all that a frame without a viewer needs.
const framePage = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Signed out</title><p>Signed out.</p></html>\n"

// frontChannelLogout answers GET /oauth2/frontchannel-logout.
func (p *Proxy) frontChannelLogout(x *exchange, r *http.Request) error {
	if r.Method != http.MethodGet {
		return methodRefused("GET")
	}
	sid, ours, err := p.frameQuery(r)
	if err != nil {
		return err
	}
	own, err := p.sessions.Get(r)
	if err != nil {
		own = nil
	}
	x.outcome = "nobody_signed_out"
	if ours {
		if err := p.leaveByFrame(x, r, own, sid); err != nil {
			return err
		}
	}
	p.writeFrame(x, r)
	return nil
}

// frameQuery reads which session is named, "" for the browser's own, and whether the request is from our provider.
func (p *Proxy) frameQuery(r *http.Request) (sid string, ours bool, err error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	switch {
	case err != nil:
		return "", false, badRequest("the query string does not parse")
	case len(query["iss"]) > 1 || len(query["sid"]) > 1:
		return "", false, badRequest("iss or sid comes twice")
	case query.Has("sid") && !query.Has("iss") && omitsIssuer(p.config.IssuerURL):
		query.Set("iss", p.config.IssuerURL)
	case query.Has("iss") != query.Has("sid"):
		return "", false, badRequest("iss and sid come together or not at all")
	case !query.Has("sid"):
		return "", true, nil
	}
	sid = query.Get("sid")
	return sid, sid != "" && query.Get("iss") == p.config.IssuerURL, nil
}

// omitsIssuer tells the issuers of Entra ID, those of its national clouds among them.
func omitsIssuer(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil {
		return false
	}
	switch u.Host {
	case "login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn":
		return true
	}
	return false
}

// leaveByFrame ends the session that is named, or the browser's own.
func (p *Proxy) leaveByFrame(x *exchange, r *http.Request, own *session.Session, sid string) (err error) {
	if own != nil {
		own = p.refreshes.generations.of(own).newest // a refresh may have brought a sid
		x.belongsTo(own)
		p.remember(own)
	}
	switch {
	case sid == "" && own != nil && inFrame(r):
		_, err = p.endSession(own)
	case sid != "" && (own == nil || own.ProviderSession == sid):
		known, unsure := p.takeSeen(r.Context(), sid)
		if !known {
			return unsure
		}
		x.ofProvider(p.config.IssuerURL, sid)
		err = p.sessions.RevokeProviderSession(p.config.IssuerURL, sid)
	default:
		return nil
	}
	if err != nil {
		p.seen.note(sid) // so that it can be tried again
		return logoutNotKept(err)
	}
	if own != nil {
		p.sessions.Destroy(x.Header(), r)
		p.sessions.ForgetRounds(x.Header(), r)
	}
	p.loggedOut(x, r, logoutFrontChannel)
	return nil
}

// inFrame says whether the browser vouches that the answer goes into a frame.
func inFrame(r *http.Request) bool {
	dest := r.Header.Get("Sec-Fetch-Dest")
	return dest == "iframe" || dest == "frame"
}

func (p *Proxy) writeFrame(x *exchange, r *http.Request) {
	noStore(x.Header())
	x.Header().Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors "+p.providerOrigin)
	x.send(r, http.StatusOK, htmlType, []byte(framePage))
}
