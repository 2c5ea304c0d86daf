package proxy

import (
	"net/http"
	"strconv"
	"strings"

	"doorward/proxy/access"
)

// What browsers are told of how to come back: by https alone, where PUBLIC_URL is https (RFC 6797, ASVS 3.4.1). It is set when the final
// head of an answer is written, whoever made it, so that neither an informational answer (golang/go#81207) nor an error loses it. An
// upstream may ask for more, not for less: one header alone counts (RFC 6797 8.1), and it holds for our login as well.

// leastStrict is a year.
const leastStrict = 31_536_000

// strictly says whether an answer tells browsers to come by https. At localhost, where many programs share one name, it would shut the
// others out.
func (p *Proxy) strictly(r *http.Request) bool {
	if p.origins[0].scheme != "https" {
		return false
	}
	name, _ := access.Hostname(r.Host)
	return name != "localhost" && !strings.HasSuffix(name, ".localhost")
}

// setStrict sets the header, but where the upstream has said as much already.
func setStrict(h http.Header) {
	const name = "Strict-Transport-Security"
	if said := h[name]; len(said) != 1 || maxAgeOf(said[0]) < leastStrict {
		h.Set(name, "max-age="+strconv.Itoa(leastStrict))
	}
}

// maxAgeOf is the max-age of the header's value, 0 where there is none that browsers would take (RFC 6797 6.1: each directive once).
func maxAgeOf(value string) int {
	age, seen := 0, false
	for directive := range strings.SplitSeq(value, ";") {
		name, text, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "max-age") {
			continue
		}
		seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(text), `"`), 10, 31)
		if seen || err != nil {
			return 0
		}
		age, seen = int(seconds), true
	}
	return age
}
