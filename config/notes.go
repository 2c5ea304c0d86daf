package config

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"doorward/proxy/access"
)

// Notes returns what is worth knowing about a valid configuration but does not
// keep doorward from starting, for `doorward check`.
func (c *Config) Notes() []string {
	notes := c.insecureNotes()
	secrets, _ := c.secrets()
	for i, secret := range secrets {
		if handmade(secret) {
			notes = append(notes, fmt.Sprintf("%s_COOKIE_SECRETS: secret %d is text or counts up, as nothing random does; write a fresh one (`doorward secret`)", Prefix, i+1))
		}
	}
	if c.ForwardAccessToken && len(c.Audience) == 0 {
		notes = append(notes, Prefix+"_AUDIENCE is unset: access tokens are forwarded unchecked, and groups are not looked for in them (right where they are opaque, or for somebody else's API)")
	}
	return slices.Concat(notes, c.bearerNotes(), c.redisNotes(), c.forwardAuthNotes(), c.crossSiteNotes(), c.cookieNameNotes(),
		c.cookieDomainNotes(), c.certificateNotes(), c.loopNotes(), c.policyNotes())
}

func (c *Config) insecureNotes() []string {
	var notes []string
	if c.InsecurePublicHTTP {
		notes = append(notes, Prefix+"_INSECURE_PUBLIC_HTTP: cookies and pages may travel in the clear")
	}
	if c.InsecureProviderHTTP {
		notes = append(notes, Prefix+"_INSECURE_PROVIDER_HTTP: tokens and keys may travel in the clear")
	}
	if c.InsecureUnverifiedEmail {
		notes = append(notes, Prefix+"_INSECURE_UNVERIFIED_EMAIL: whoever can set an unverified address at the provider passes for its owner in `email:` rules")
	}
	return notes
}

// loopNotes are about upstreams that seem to be doorward itself: one request would go round until no more files can be opened.
func (c *Config) loopNotes() []string {
	var notes []string
	upstreams, _ := c.UpstreamTable()
	for _, u := range upstreams {
		switch name := Prefix + "_UPSTREAMS: " + u.Name(); {
		case c.listensAt(u.URL):
			notes = append(notes, name+" is the address of "+Prefix+"_LISTEN_ADDR, where requests go round and round; name the application's, unless a socket is handed over")
		case slices.ContainsFunc(c.Origins(), func(o *url.URL) bool { return o.Scheme == u.URL.Scheme && normalHost(o) == normalHost(u.URL) }):
			notes = append(notes, name+" is in "+Prefix+"_PUBLIC_URL, which browsers take to doorward: where it takes doorward there too, requests go round and round")
		}
	}
	return notes
}

func (c *Config) policyNotes() []string {
	policy, err := c.Policy()
	if err != nil {
		return nil
	}
	notes := slices.Concat(policy.Notes(), c.scopeNotes(policy), c.groupNotes(policy))
	for _, rule := range policy.RulesBelow(c.EndpointPrefix) {
		notes = append(notes, fmt.Sprintf("rule %q is never asked: doorward itself answers under %s (%s_ENDPOINT_PREFIX)", rule, c.EndpointPrefix, Prefix))
	}
	for _, host := range policy.Hosts() {
		if !c.signsInAt(host) {
			notes = append(notes, c.hostNote(host))
		}
	}
	return append(notes, c.logoutNotes(policy)...)
}

func (c *Config) scopeNotes(policy *access.Policy) []string {
	var notes []string
	scopes := strings.Fields(c.Scopes)
	if policy.NeedsGroups() && !slices.Contains(scopes, "groups") {
		notes = append(notes, fmt.Sprintf("rules ask for groups and %s_SCOPES has no `groups`: some providers send the claim %q only for it (`check --live` asks)", Prefix, c.GroupsClaim))
	}
	// OIDC Core 5.4: the scope email asks for email and email_verified.
	if policy.NeedsEmail() && !slices.Contains(scopes, "email") {
		notes = append(notes, fmt.Sprintf("rules ask for e-mail addresses and %s_SCOPES has no `email`: many providers send them only for it", Prefix))
	}
	return notes
}

// hostNote is about a host at which nobody can sign in. One without a dot is
// most likely a path that lacks its first slash.
func (c *Config) hostNote(host string) string {
	if strings.HasPrefix(host, "*") && c.SharesSessions(host[2:]) {
		return fmt.Sprintf("%s is named by rules or upstreams: whoever is signed in comes in there (%[2]s_COOKIE_DOMAIN), but nobody is sent to sign in, since anybody may have such a host; name those exactly, in a rule or in %[2]s_PUBLIC_URL, where people are to", host, Prefix)
	}
	if strings.ContainsAny(host, ".:") {
		return fmt.Sprintf("%s is named by rules or upstreams but is no %s_PUBLIC_URL: nobody can sign in there", host, Prefix)
	}
	return fmt.Sprintf("%[1]s/ in rules or upstreams is a host, and no %[2]s_PUBLIC_URL: did you mean the path /%[1]s/ ?", host, Prefix)
}

// logoutNotes: a page that asks for a login right after logout looks to people
// as if they had never been signed out.
func (c *Config) logoutNotes(policy *access.Policy) []string {
	u, err := parseURL(c.PostLogoutURL)
	if err != nil {
		return nil
	}
	host := normalHost(u)
	own := slices.ContainsFunc(c.signInOrigins(), func(o *url.URL) bool { return o.Scheme == u.Scheme && o.Host == host })
	path := cmp.Or(u.EscapedPath(), "/")
	if !own || path == c.EndpointPrefix || strings.HasPrefix(path, c.EndpointPrefix+"/") {
		return nil
	}
	route, err := policy.Route(http.MethodGet, host, path)
	if err == nil && route.Access() == access.Public {
		return nil
	}
	return []string{fmt.Sprintf("%s_POST_LOGOUT_URL is a page of this site that is not public: people who have just signed out are sent to sign in again, or see an error", Prefix)}
}

// signsInAt reports whether people sign in at a host, or at one that a pattern
// "*.example.com" covers.
func (c *Config) signsInAt(host string) bool {
	for _, origin := range c.signInOrigins() {
		suffix, wildcard := strings.CutPrefix(host, "*")
		if origin.Hostname() == host || wildcard && strings.HasSuffix(origin.Hostname(), suffix) {
			return true
		}
	}
	return false
}
