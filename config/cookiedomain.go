package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"doorward/proxy/access"
)

// SessionDomain returns COOKIE_DOMAIN in lower case and without the dot that
// others write before it (RFC 6265bis 5.6.3 ignores it); "" where it is unset.
func (c *Config) SessionDomain() string {
	return strings.ToLower(strings.TrimPrefix(c.CookieDomain, "."))
}

// SiblingOrigins returns the origins at which people sign in though PUBLIC_URL
// does not name them: the hosts that an upstream or a rule other than deny names
// exactly and that COOKIE_DOMAIN covers, with scheme and port of the canonical
// origin. They have no callback; a login for them is one at the canonical origin.
// A pattern such as *.example.com makes none: hosts that nobody has named may be
// anybody's.
// Valid after [Config.Validate].
func (c *Config) SiblingOrigins() []*url.URL {
	policy, err := c.Policy()
	if err != nil {
		return nil
	}
	return c.SiblingOriginsUnder(policy)
}

// SiblingOriginsUnder is the same for other rules than those of ACCESS_RULES,
// which may change while doorward runs.
func (c *Config) SiblingOriginsUnder(policy *access.Policy) []*url.URL {
	origins := c.Origins()
	if len(origins) == 0 || c.CookieDomain == "" {
		return nil
	}
	var siblings []*url.URL
	for _, host := range policy.HostsInUse() {
		if !c.SharesSessions(host) || named(origins, host) {
			continue
		}
		sibling := url.URL{Scheme: origins[0].Scheme, Host: host}
		if port := origins[0].Port(); port != "" {
			sibling.Host += ":" + port
		}
		siblings = append(siblings, &sibling)
	}
	return siblings
}

// signInOrigins returns the origins at which people sign in: those of
// PUBLIC_URL and their siblings.
func (c *Config) signInOrigins() []*url.URL {
	return append(c.Origins(), c.SiblingOrigins()...)
}

func named(origins []*url.URL, host string) bool {
	return slices.ContainsFunc(origins, func(o *url.URL) bool { return o.Hostname() == host })
}

// SharesSessions reports whether browsers send cookies of COOKIE_DOMAIN to a
// host, in lower case and without port: it is the domain, or lies in it (RFC 6265bis 5.1.3).
func (c *Config) SharesSessions(host string) bool {
	domain := c.SessionDomain()
	return domain != "" && (host == domain || strings.HasSuffix(host, "."+domain))
}

func checkCookieDomain(c *Config) Problems {
	v := verdict{variable: "COOKIE_DOMAIN"}
	if c.CookieDomain == "" {
		return nil
	}
	if wrong, mend := faultOfDomain(c.SessionDomain()); wrong != "" {
		v.add(quote(c.CookieDomain)+" "+wrong, mend)
		return v.problems
	}
	for _, origin := range c.Origins() {
		if !c.SharesSessions(origin.Hostname()) {
			v.add(fmt.Sprintf("%s does not cover %s: browsers would refuse the session's cookies there, and logins would not end", c.SessionDomain(), origin),
				"write a domain in which all of "+Prefix+"_PUBLIC_URL lie, or leave it unset")
		}
	}
	return v.problems
}

// faultOfDomain says why browsers take no cookie for a domain. Public suffixes
// of several labels, such as co.uk, are browsers' to know: their list changes
// each week.
func faultOfDomain(domain string) (wrong, mend string) {
	mend = "write the domain that the hosts lie in, e.g. example.com"
	_, err := netip.ParseAddr(strings.Trim(domain, "[]"))
	switch {
	case err == nil:
		return "is an address, and cookies for a domain need a name", "leave it unset, or give the hosts names"
	case strings.Contains(domain, "://"), strings.ContainsAny(domain, "/:,*; "):
		return "is no domain", mend + ", without scheme, port, star or anything beside it"
	case !validDomain(domain):
		return "is no domain name that browsers take", mend
	case !strings.Contains(domain, "."):
		return "has one label alone, and browsers take no cookie for a top-level domain", mend
	}
	return "", ""
}

// validDomain reports a host name whose labels neither begin nor end with a
// hyphen and have no underscore, and whose last one is not a number.
func validDomain(domain string) bool {
	labels := strings.Split(domain, ".")
	bad := func(label string) bool {
		return strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") || strings.Contains(label, "_")
	}
	return validHost(domain) && !slices.ContainsFunc(labels, bad) && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// cookieDomainNotes: what is given up for one login.
func (c *Config) cookieDomainNotes() []string {
	domain := c.SessionDomain()
	if domain == "" {
		return nil
	}
	if len(c.signInOrigins()) == 1 {
		return []string{fmt.Sprintf("%[1]s_COOKIE_DOMAIN is set and there is one host alone: leave it unset, so that no other server under %[2]s gets the session's cookies or can set them", Prefix, domain)}
	}
	notes := []string{fmt.Sprintf("%[1]s_COOKIE_DOMAIN: browsers send the session's cookies to every server under %[2]s, and take cookies for it from each. "+
		"Whoever runs one of them, or takes over a name that is left over, can use the session of whoever comes by, or sign them in as somebody else unseen (__Host- prevents both, and cannot be had for a domain). "+
		"Set it where all of %[2]s is yours; without it each origin of %[1]s_PUBLIC_URL signs people in by itself, unseen with single sign-on", Prefix, domain)}
	if looksPublic(domain) {
		notes = append(notes, fmt.Sprintf("%[1]s_COOKIE_DOMAIN: %[2]s looks like a public suffix, under which anybody can have a name. Browsers take no cookie for those (https://publicsuffix.org/list/), and logins would not end", Prefix, domain))
	}
	return notes
}

// looksPublic reports what most countries' registries keep for others: co.uk,
// com.au. That a few are somebody's own makes it no more than a note.
func looksPublic(domain string) bool {
	first, last, _ := strings.Cut(domain, ".")
	return len(last) == 2 && slices.Contains([]string{"ac", "co", "com", "edu", "go", "gob", "gov", "gouv", "mil", "ne", "net", "or", "org"}, first)
}
