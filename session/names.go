package session

import (
	"strconv"
	"strings"
)

// names knows the names of our cookies.
type names struct {
	base  string // the first cookie of a session; further ones are base_1, base_2…
	bound string // what a session's cookies are sealed for: the same, and the domain that they are for
	kin   string // base under the other prefix, as it was before COOKIE_DOMAIN was set, or unset; "" for none
	login string // what every login cookie's name begins with
	round string // what those begin with that note a completed login
	stem  string // what stands in each of them; "" for nothing
}

func newNames(base, login, domain string) names {
	n := names{base: base, bound: base, kin: kinOf(base), login: login + "-login-", round: login + "-login-round-", stem: unprefixed(base)}
	if domain != "" {
		n.bound += "@" + domain
	}
	if !strings.Contains(login, n.stem) {
		n.stem = ""
	}
	return n
}

// kinOf is a name under the other prefix: browsers take __Host- for one host alone, __Secure- for a domain too (RFC 6265bis 4.1.3).
func kinOf(base string) string {
	switch stem := unprefixed(base); base {
	case "__Host-" + stem:
		return "__Secure-" + stem
	case "__Secure-" + stem:
		return "__Host-" + stem
	}
	return ""
}

func unprefixed(name string) string {
	for _, prefix := range []string{"__Host-Http-", "__Http-", "__Host-", "__Secure-"} {
		if stem, ok := strings.CutPrefix(name, prefix); ok {
			return stem
		}
	}
	return name
}

// chunk is the name of a session's i-th cookie.
func (n names) chunk(i int) string {
	if i == 0 {
		return n.base
	}
	return n.base + "_" + strconv.Itoa(i)
}

// index tells which of a session's cookies bears that name.
func (n names) index(name string) (int, bool) { return indexOf(n.base, name) }

func indexOf(base, name string) (int, bool) {
	if name == base {
		return 0, true
	}
	digits, ok := strings.CutPrefix(name, base)
	if ok {
		digits, ok = strings.CutPrefix(digits, "_")
	}
	if !ok || len(digits) > 2 {
		return 0, false
	}
	i, err := strconv.Atoi(digits)
	return i, err == nil && 0 < i && i < maxChunks && digits == strconv.Itoa(i)
}

// chunkRoom is how much of a sealed value every cookie holds.
func (n names) chunkRoom() int {
	last := maxChunks - 1
	return maxCookie - len(n.chunk(last)) - len(strconv.Itoa(last)) - len("..") - markSize
}

// cookiesFor is how many cookies a sealed value of that length is cut into, and their bytes as sentBytes counts them.
func (n names) cookiesFor(sealed int) (count, bytes int) {
	room := n.chunkRoom()
	count = (sealed + room - 1) / room
	bytes = sealed + (count-1)*len("; ")
	for i := range count {
		bytes += len(n.chunk(i)) + len("=") + len(strconv.Itoa(count)) + len("..") + markSize
	}
	return count, bytes
}

// sentBytes is the length of the Cookie header that holds these values, and nothing else: "a=x; a_1=y".
func (n names) sentBytes(values []string) int {
	total := (len(values) - 1) * len("; ")
	for i, value := range values {
		total += len(n.chunk(i)) + len("=") + len(value)
	}
	return total
}

func (n names) own(name string) bool {
	_, ok := n.index(name)
	return ok || strings.HasPrefix(name, n.login) || n.isKin(name)
}

// isKin says whether a name is that of a session's cookie from before COOKIE_DOMAIN was set, or unset.
func (n names) isKin(name string) bool {
	_, ok := indexOf(n.kin, name)
	return ok && n.kin != ""
}
