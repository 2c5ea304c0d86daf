package proxy

import (
	"maps"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"

	"doorward/config"
)

// Rules that this file keeps (RFC 9700 4.13: a reverse proxy sanitizes every header that means something behind it):
//
//   - Identity headers are removed from every request, on public paths too, and then set, on the outgoing request,
//     where no Connection header of the client's can name them.
//   - A name counts as one of ours when a CGI-style server could take it for one: to such a server all characters but letters and digits
//     are the same, so X_Forwarded_User and X.Forwarded.User count as well (CVE-2025-64484 and kin).
//   - Forwarding headers are doorward's own; of others', client.go says what is believed.
//   - Our cookies stay here; other cookies pass byte for byte. An application may clear all of a site's cookies (Clear-Site-Data), ours
//     among them: that ends at worst what any of its pages can end by a POST to sign_out.

// identify tells an upstream who is asking, and nothing of nobody.
func (d *delivery) identify(h http.Header) {
	if d.who == nil {
		return
	}
	d.told.set(h)
	if d.assertion != "" {
		h["X-Doorward-Assertion"] = []string{d.assertion}
	}
	switch {
	case d.who.token() == "": // dead, and SESSION_WITHOUT_REFRESH keeps the session
	case d.upstream.Token == "bearer":
		h["Authorization"] = d.told.bearer[:]
	case d.upstream.Token == "x-forwarded-access-token":
		h["X-Forwarded-Access-Token"] = d.told.token[:]
	}
}

// decisive are the headers of a request that ReverseProxy is shown: those by which it decides. The others it would copy, and search for those
// that end at this hop, and rewriteHeaders does both in any case.
func decisive(r *http.Request) http.Header {
	te, webSocket := r.Header["Te"], isWebSocket(r)
	if te == nil && !webSocket {
		return nil
	}
	shown := http.Header{"Te": te}
	if webSocket {
		shown["Connection"], shown["Upgrade"] = r.Header["Connection"], r.Header["Upgrade"]
	}
	return shown
}

// rewriteHeaders makes the outgoing request's headers: the client's, but for those that end here or that nobody is to believe, and then ours,
// which no Connection header of the client's can take away.
func (p *Proxy) rewriteHeaders(pr *httputil.ProxyRequest, d *delivery) {
	in := d.in.Header
	out := make(http.Header, len(in)+maxSet) // a map that has to grow costs more than a new one
	for name, values := range in {
		if !isHop(name) && !p.untrusted(name) {
			out[name] = values
		}
	}
	removeNamed(out, in["Connection"])
	maps.Copy(out, pr.Out.Header) // what ReverseProxy has left of decisive: Te: trailers, and the upgrade to a WebSocket
	pr.Out.Header, pr.Out.Trailer = out, nil
	if cookies := p.sessions.Strip(in["Cookie"]); len(cookies) > 0 {
		out["Cookie"] = cookies
	} else {
		delete(out, "Cookie")
	}
	// What a decision rested on is sent, though the client's Connection header may have named it.
	copyHeader(out, in, "Destination")
	if d.who == nil {
		copyHeader(out, in, "Authorization")
	} else {
		delete(out, "Authorization") // the client's own; what the upstream is to get comes next
	}
	pr.Out.Close = bindsConnection(out["Authorization"])
	d.identify(out)
	p.setForwarded(out, d.in, d.x)
}

// bindsConnection says whether an Authorization may make an upstream take all that follows on its connection for the same person's (RFC 4559,
// against RFC 9110 3.3). So nothing may follow.
func bindsConnection(authorization []string) bool {
	for _, value := range authorization {
		scheme := value[:len(value)-len(strings.TrimLeft(value, tokenCharacters))]
		if strings.EqualFold(scheme, "NTLM") || strings.EqualFold(scheme, "Negotiate") {
			return true
		}
	}
	return false
}

// maxSet is about how many headers are set here.
const maxSet = 12

func copyHeader(to, from http.Header, name string) {
	if values := from[name]; len(values) > 0 {
		to[name] = values
	}
}

// setForwarded says where the request came from: host and scheme are those of PUBLIC_URL, not of the connection,
// which behind a load balancer is another.
func (p *Proxy) setForwarded(out http.Header, in *http.Request, x *exchange) {
	o := p.publicOrigin(x, in)
	values := &x.forwarded
	values[0], values[1], values[2] = o.host, o.scheme, x.id
	out["X-Forwarded-Host"], out["X-Forwarded-Proto"], out["X-Request-Id"] = values[0:1:1], values[1:2:2], values[2:3:3]
	if x.client.peer().IsValid() {
		values[3] = x.client.forwardedFor()
		out["X-Forwarded-For"] = values[3:4:4]
	}
}

// untrusted says whether a header of the client's must not arrive, HEADERS' among them.
func (p *Proxy) untrusted(name string) bool {
	folded := config.FoldHeader(name)
	return config.ClientMayNotSend(folded) || slices.Contains(p.folded, folded)
}
