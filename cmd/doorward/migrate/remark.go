package migrate

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// remarks says of every option that is set, and that becomes no setting, what the table knows of it.
func (m *Migration) remarks() {
	for _, o := range options() {
		if !m.given(o.name) || m.byDefault(o) {
			continue
		}
		name := strings.Join(m.spelled([]string{o.name}), "")
		switch o.fate {
		case changed:
			m.Changes = append(m.Changes, name+": "+o.says)
		case gone:
			m.Gone = append(m.Gone, name+": "+o.says)
		case needless:
			m.Needless = append(m.Needless, name)
		}
	}
}

// byDefault reports an option whose value is what it would be anyway.
func (m *Migration) byDefault(o option) bool {
	text := m.text(o.name)
	switch o.kind {
	case boolean:
		value, err := strconv.ParseBool(text)
		return err == nil && value == (o.fallback == "true")
	case duration:
		value, err := time.ParseDuration(text)
		fallback, _ := time.ParseDuration(o.fallback)
		return text == "0" && fallback == 0 || err == nil && value == fallback
	}
	return text == o.fallback
}

// once drops what is there already.
func once(items []string) []string {
	var kept []string
	for _, item := range items {
		if !slices.Contains(kept, item) {
			kept = append(kept, item)
		}
	}
	return kept
}

// general is what changes for everybody who comes from oauth2-proxy.
func general() []string {
	return []string{
		"everybody signs in once more: the cookies of oauth2-proxy do not open here, and COOKIE_SECRETS is a fresh secret",
		"a login always uses PKCE (S256) and a nonce, and the issuer, the audience and the signature of the ID token are always checked",
		"people without a session are sent to the provider at once (303); there is no sign-in page. What is no navigation of a browser gets 401 with `login_url`",
		"a session ends when its access token expires and cannot be refreshed (SESSION_WITHOUT_REFRESH=keep lets it go on, without a token); oauth2-proxy never looked unless cookie_refresh was set",
		"an e-mail is used in rules and forwarded only where the provider says email_verified true, unless INSECURE_UNVERIFIED_EMAIL; oauth2-proxy took one of which nothing was said, as Entra ID does",
		"the client proves itself by HTTP Basic alone; where it is registered for client_secret_post, set CLIENT_AUTH",
		"/oauth2/sign_out asks before it signs out, unless the link is on a page of the same origin; it ends the session at the provider too",
		"the query parameters allowed_groups, allowed_emails and allowed_email_domains count on /oauth2/auth alone; on the application's own paths they are the application's",
		"paths that servers read in different ways (//, %2F, /../, other letter case) are refused with 400 where the rules for the readings differ, and follow the rule where they do not; below a public path they are public",
		"answers bear no GAP-Auth header, the log is JSON, and metrics have other names",
	}
}
