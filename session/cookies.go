package session

import (
	"iter"
	"net/http"
	"slices"
	"strings"
)

// Cookies are read from the raw header, because net/http trims what it should compare: "name =x" is not the cookie that
// browsers guard by the prefix of "name". A name is ours byte for byte or not at all.

// maxLogins bounds how many login cookies of one request are looked at.
const maxLogins = 64

// Owns says whether a cookie of that name is one of ours, so that upstreams can neither read nor set it.
func (m *Manager) Owns(cookieName string) bool {
	return m.names.own(cookieName)
}

// jar is what a request carries under our names.
type jar struct {
	session [maxChunks]string // values by the index of the cookie
	seen    [maxChunks]int    // how often it came
	logins  []loginCookie
}

// scan reads Cookie headers once and copies nothing.
func (n names) scan(headers []string) (j jar) {
	for name, value := range pairs(headers) {
		if i, ok := n.index(name); ok {
			j.session[i] = value
			j.seen[i]++
		} else if strings.HasPrefix(name, n.login) && len(j.logins) < maxLogins {
			j.logins = append(j.logins, loginCookie{name: name, value: value})
		}
	}
	return j
}

// carries says whether the session's cookies are those that were opened: their values byte for byte, and each once.
func (j *jar) carries(opened *openedSession) bool {
	want, rest, more := opened.name, opened.value, opened.value != ""
	for i := range maxChunks {
		if j.seen[i] != 1 || j.session[i] != want {
			return false
		}
		if !more {
			return true
		}
		want, rest, more = strings.Cut(rest, ";") // which stands in no value
	}
	return false
}

// only gives the value of the one cookie of that name.
func only(headers []string, name string) (value string, ok bool) {
	seen := 0
	for other, v := range pairs(headers) {
		if other == name {
			value, seen = v, seen+1
		}
	}
	return value, seen == 1
}

// pairs yields the cookies of Cookie headers. Blanks before a name separate it from the cookie before (RFC 6265bis 5.8);
// all else belongs to name or value. What has no name, or no "=", yields the empty name, which is never ours.
func pairs(headers []string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, header := range headers {
			for pair := range strings.SplitSeq(header, ";") {
				if !yield(split(pair)) {
					return
				}
			}
		}
	}
}

func split(pair string) (name, value string) {
	name, value, ok := strings.Cut(strings.TrimLeft(pair, " \t"), "=")
	if !ok {
		return "", name
	}
	return name, value
}

// Carries says whether a request has a session's cookie, be it one that does not open.
func (m *Manager) Carries(r *http.Request) bool {
	for name := range pairs(r.Header["Cookie"]) {
		if _, ours := m.names.index(name); ours {
			return true
		}
	}
	return false
}

// Strip gives the Cookie headers without our cookies. Everything else stays byte for byte as it was; a header that held
// nothing else goes.
func (m *Manager) Strip(cookieHeaders []string) []string {
	var kept []string
	for _, header := range cookieHeaders {
		if rest := m.names.strip(header); rest != "" || header == "" {
			kept = append(kept, rest)
		}
	}
	return kept
}

func (n names) strip(header string) string {
	if !strings.Contains(header, n.stem) {
		return header
	}
	var others []string
	stripped := false
	for pair := range strings.SplitSeq(header, ";") {
		if name, _ := split(pair); n.own(name) {
			stripped = true
			continue
		}
		others = append(others, pair)
	}
	if !stripped {
		return header
	}
	return strings.TrimLeft(strings.Join(others, ";"), " \t")
}

// dropChunks takes back the session cookies that a header sets already.
func (m *Manager) dropChunks(h http.Header) {
	dropLines(h, func(name, _ string) bool {
		_, ok := m.names.index(name)
		return ok
	})
}

// clearChunks clears the session cookies that a request carries, from an index on. A callback that comes from the provider's site
// carries no Strict cookies, nor Lax ones when it is a POST; then every cookie goes that there may be.
func (m *Manager) clearChunks(h http.Header, r *http.Request, from int) {
	unseen := 0
	if m.options.SameSite == http.SameSiteStrictMode || m.options.LoginSameSite == http.SameSiteNoneMode {
		unseen = m.options.MaxBytes/maxCookie + 1
	}
	for i, seen := range m.names.scan(r.Header["Cookie"]).seen {
		if i >= from && (seen > 0 || i < unseen) {
			m.clear(h, m.names.chunk(i))
		}
	}
}

// dropLines removes the Set-Cookie lines whose cookie has such a name, for such a domain.
func dropLines(h http.Header, drop func(name, domain string) bool) {
	lines := slices.DeleteFunc(h["Set-Cookie"], func(line string) bool {
		name, rest, _ := strings.Cut(line, "=")
		_, domain, _ := strings.Cut(rest, "; Domain=")
		domain, _, _ = strings.Cut(domain, ";")
		return drop(name, domain)
	})
	if len(lines) == 0 {
		h.Del("Set-Cookie")
		return
	}
	h["Set-Cookie"] = lines
}

// clear makes the browser forget a cookie of ours.
func (m *Manager) clear(h http.Header, name string) { m.write(h, name, "", -1) }

// write sets a cookie; maxAge is as in [http.Cookie]. Those of sessions are for the domain; those of logins for this host alone, so that no
// other one can slip a login into a browser.
func (m *Manager) write(h http.Header, name, value string, maxAge int) {
	if strings.HasPrefix(name, m.names.login) {
		m.writeFor("", h, name, value, maxAge)
	} else {
		m.writeFor(m.options.Domain, h, name, value, maxAge)
	}
}

// writeFor sets a cookie for a domain, or for this host alone, in the place of any line for the same. Path=/, Secure and no Domain are what
// the prefix __Host- asks for (RFC 6265bis 4.1.3.2), when a cookie is cleared too. SameSite is always there: browsers that have to guess
// allow cross-site POSTs for two minutes.
func (m *Manager) writeFor(domain string, h http.Header, name, value string, maxAge int) {
	sameSite := m.options.SameSite
	if strings.HasPrefix(name, m.names.login) {
		sameSite = m.options.LoginSameSite
	}
	dropLines(h, func(other, where string) bool { return other == name && where == domain })
	cookie := http.Cookie{
		Name: "any", Path: "/", Domain: domain, MaxAge: maxAge,
		Secure: m.options.Secure, HttpOnly: true, SameSite: sameSite,
	}
	attributes := strings.TrimPrefix(cookie.String(), "any=")
	// Written by hand: net/http would look at every byte of the value, which holds base64url and dots alone. And it would write nothing for a
	// name that is no token; browsers send such names, too, and then they are to be cleared.
	h.Add("Set-Cookie", name+"="+value+attributes)
}
