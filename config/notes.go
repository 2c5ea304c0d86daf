package config

import (
	"fmt"
	"slices"
	"strings"
)

// Notes returns what is worth knowing about a valid configuration but does not
// keep doorward from starting, for `doorward check`.
func (c *Config) Notes() []string {
	notes := c.insecureNotes()
	secrets, _ := c.secrets()
	for i, secret := range secrets {
		if readable(secret) {
			notes = append(notes, fmt.Sprintf("%s_COOKIE_SECRETS: secret %d is text; if it is a passphrase, write a fresh one (`doorward secret`)", Prefix, i+1))
		}
	}
	if c.ForwardAccessToken && len(c.Audience) == 0 {
		notes = append(notes, Prefix+"_AUDIENCE is unset: access tokens are forwarded unchecked, and groups are not looked for in them")
	}
	return append(notes, c.policyNotes()...)
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

func (c *Config) policyNotes() []string {
	policy, err := c.Policy()
	if err != nil {
		return nil
	}
	notes := policy.Notes()
	if policy.NeedsGroups() && !slices.Contains(strings.Fields(c.Scopes), "groups") {
		notes = append(notes, fmt.Sprintf("rules ask for groups and %s_SCOPES has no `groups`: some providers send the claim %q only for it (`check --live` asks)", Prefix, c.GroupsClaim))
	}
	for _, host := range policy.Hosts() {
		if !c.signsInAt(host) {
			notes = append(notes, fmt.Sprintf("%s is named by rules or upstreams but is no %s_PUBLIC_URL: nobody can sign in there", host, Prefix))
		}
	}
	return notes
}

// signsInAt reports whether an origin has the host, or one that a pattern
// "*.example.com" covers.
func (c *Config) signsInAt(host string) bool {
	for _, origin := range c.Origins() {
		suffix, wildcard := strings.CutPrefix(host, "*")
		if origin.Hostname() == host || wildcard && strings.HasSuffix(origin.Hostname(), suffix) {
			return true
		}
	}
	return false
}
