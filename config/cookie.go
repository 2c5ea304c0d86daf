package config

import (
	"fmt"
	"slices"
	"strings"
)

// Bounds of SESSION_COOKIE_MAX_BYTES. Below, no session fits; above, no server
// takes the request headers.
const (
	leastCookieBytes = 512
	MostCookieBytes  = 60 << 10 // what sixteen cookies hold, rounded down
)

// SessionCookieName returns COOKIE_NAME as browsers will accept it: __Host-
// and __Secure- stand for https, so plain http goes without, and __Host- for
// one host alone.
func (c *Config) SessionCookieName() string {
	switch {
	case !c.Secure():
		return withoutPrefix(c.CookieName)
	case c.SessionDomain() != "" && hasPrefix(c.CookieName, "__Host-Http-"):
		return "__Http-" + withoutPrefix(c.CookieName)
	case c.SessionDomain() != "" && hasPrefix(c.CookieName, "__Host-"):
		return "__Secure-" + withoutPrefix(c.CookieName)
	}
	return c.CookieName
}

// LoginCookieName returns COOKIE_NAME as the cookies of logins bear it, which
// are for one host alone.
func (c *Config) LoginCookieName() string {
	if c.Secure() && c.SessionDomain() != "" {
		return "__Host-" + withoutPrefix(c.CookieName)
	}
	return c.SessionCookieName()
}

// cookieNameNotes: without a prefix, other servers can plant what they please
// under the name. Where COOKIE_DOMAIN is set, its notes say so.
func (c *Config) cookieNameNotes() []string {
	if !c.Secure() || c.SessionDomain() != "" || hasPrefix(c.CookieName, "__Host-") {
		return nil
	}
	return []string{fmt.Sprintf("%[1]s_COOKIE_NAME: %[2]s does not begin with __Host-, so other servers of the domain, and plain http, can set cookies under it in people's browsers: "+
		"to sign them in as somebody else unseen, or out. Write __Host-%[3]s; people sign in once more then", Prefix, c.CookieName, withoutPrefix(c.CookieName))}
}

// withoutPrefix takes the prefixes off that browsers know (RFC 6265bis
// 4.1.3, and those of layered cookies).
func withoutPrefix(name string) string {
	for _, prefix := range []string{"__Host-Http-", "__Host-", "__Secure-", "__Http-"} {
		if hasPrefix(name, prefix) {
			return name[len(prefix):]
		}
	}
	return name
}

// hasPrefix reports a prefix as browsers do, in any letter case.
func hasPrefix(name, prefix string) bool {
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

func checkCookie(c *Config) Problems {
	name := verdict{variable: "COOKIE_NAME"}
	if !token(c.CookieName) || withoutPrefix(c.CookieName) == "" || len(c.CookieName) > 64 {
		name.add(quote(c.CookieName)+" is no cookie name", "write letters, digits, - and _ (64 at most), e.g. __Host-doorward")
	}
	sameSite := verdict{variable: "COOKIE_SAMESITE"}
	if c.CookieSamesite == "none" && len(c.Origins()) > 0 && !c.Secure() {
		sameSite.add("none needs https in "+Prefix+"_PUBLIC_URL", "write lax, or use https")
	}
	size := verdict{variable: "SESSION_COOKIE_MAX_BYTES"}
	if c.SessionCookieMaxBytes < leastCookieBytes || c.SessionCookieMaxBytes > MostCookieBytes {
		size.add(fmt.Sprintf("%d is out of bounds", c.SessionCookieMaxBytes),
			fmt.Sprintf("write a size from %d to %d, e.g. 8192", leastCookieBytes, MostCookieBytes))
	}
	return slices.Concat(name.problems, sameSite.problems, size.problems)
}

// token reports a token of RFC 9110 5.6.2: what cookie and header names are.
func token(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}
