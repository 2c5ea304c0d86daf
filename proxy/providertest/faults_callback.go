package providertest

import (
	"net/url"
	"strings"
)

// callbackFaults bend the answer that the browser carries to the callback (OIDC Core 3.1.2.5, 3.1.2.6; RFC 9207). The
// code must not be exchanged.
func callbackFaults() []Mutation {
	return []Mutation{
		{Name: "fapi2-security-profile-final-client-test-invalid-authorization-response-iss", Stops: AtCallback,
			Does:     "announces iss and sends another one (RFC 9207 2.4)",
			Metadata: announceIss, Callback: func(p *Provider, q url.Values) { q.Set("iss", p.Issuer+"1") }},
		{Name: "fapi2-security-profile-final-client-test-remove-authorization-response-iss", Stops: AtCallback,
			Does:     "announces iss and sends none (RFC 9207 2.4)",
			Metadata: announceIss},
		{Name: "callback-iss-unannounced-and-wrong", Does: "sends another issuer's iss without having announced any", Stops: AtCallback,
			Callback: set("iss", "https://other.example.test/")},
		{Name: "callback-iss-empty", Does: "sends an empty iss", Stops: AtCallback, Callback: set("iss", "")},
		{Name: "callback-iss-without-slash", Does: "announces iss and sends it without its final slash", Stops: AtCallback, Metadata: announceIss,
			Callback: func(p *Provider, q url.Values) { q.Set("iss", strings.TrimSuffix(p.Issuer, "/")) }},
		{Name: "callback-iss-twice", Does: "sends the right iss and another", Stops: AtCallback,
			Callback: func(p *Provider, q url.Values) { q["iss"] = []string{p.Issuer, "https://other.example.test/"} }},
		{Name: "fapi2-security-profile-final-client-ensure-authorization-response-with-invalid-state-fails", Stops: AtCallback,
			Does:     "changes the state",
			Callback: func(_ *Provider, q url.Values) { q.Set("state", q.Get("state")+"1") }},
		{Name: "fapi2-security-profile-final-client-ensure-authorization-response-with-invalid-missing-state-fails", Stops: AtCallback,
			Does:     "leaves the state out",
			Callback: func(_ *Provider, q url.Values) { q.Del("state") }},
		{Name: "callback-state-empty", Does: "sends an empty state", Stops: AtCallback, Callback: set("state", "")},
		{Name: "callback-state-twice", Does: "sends the state twice (RFC 6749 3.1)", Stops: AtCallback,
			Callback: func(_ *Provider, q url.Values) { q.Add("state", q.Get("state")) }},
		{Name: "callback-code-twice", Does: "sends two codes", Stops: AtCallback,
			Callback: func(_ *Provider, q url.Values) { q.Add("code", "code-of-somebody-else") }},
		{Name: "callback-code-missing", Does: "sends neither code nor error", Stops: AtCallback,
			Callback: func(_ *Provider, q url.Values) { q.Del("code") }},
		{Name: "callback-code-empty", Does: "sends an empty code", Stops: AtCallback, Callback: set("code", "")},
		{Name: "callback-code-and-error", Does: "sends a code and an error", Stops: AtCallback, Callback: set("error", "access_denied")},
		{Name: "callback-error-access-denied", Does: "says that the person refused", Stops: AtCallback,
			Callback: denied("access_denied", "The user refused.")},
		{Name: "callback-error-server-error", Does: "says that it failed", Stops: AtCallback, Callback: denied("server_error", "")},
		{Name: "callback-error-temporarily-unavailable", Does: "says that it is overloaded", Stops: AtCallback,
			Callback: denied("temporarily_unavailable", "Try again later.")},
		{Name: "callback-error-login-required", Does: "says that nobody is signed in", Stops: AtCallback,
			Callback: denied("login_required", "")},
		{Name: "callback-error-unknown", Does: "sends an error that no standard names", Stops: AtCallback,
			Callback: denied("x-corp-locked", "Account locked.")},
		{Name: "callback-error-script", Does: "hides a script in its error", Stops: AtCallback,
			Callback: denied("<script>alert(1)</script>", "\"><script>alert(2)</script>\r\nX-Admin: 1")},
		{Name: "callback-error-twice", Does: "sends two errors", Stops: AtCallback,
			Callback: func(p *Provider, q url.Values) {
				denied("access_denied", "")(p, q)
				q.Add("error", "server_error")
			}},
		{Name: "callback-error-with-iss", Does: "announces iss and sends the right one with its error (RFC 9207 2)", Stops: AtCallback, Metadata: announceIss,
			Callback: func(p *Provider, q url.Values) {
				denied("access_denied", "")(p, q)
				q.Set("iss", p.Issuer)
			}},
		{Name: "callback-error-missing-iss", Does: "announces iss and sends an error without (RFC 9207 2.4)", Stops: AtCallback, Metadata: announceIss,
			Callback: denied("access_denied", "")},
		{Name: "callback-error-wrong-iss-unannounced", Does: "sends an error under another issuer's iss without having announced any", Stops: AtCallback,
			Callback: func(p *Provider, q url.Values) {
				denied("access_denied", "")(p, q)
				q.Set("iss", "https://other.example.test/")
			}},
		{Name: "callback-error-without-state", Does: "sends an error without state", Stops: AtCallback,
			Callback: func(p *Provider, q url.Values) {
				denied("access_denied", "")(p, q)
				q.Del("state")
			}},
		{Name: "callback-error-wrong-state", Does: "sends an error under another state", Stops: AtCallback,
			Callback: func(p *Provider, q url.Values) {
				denied("access_denied", "")(p, q)
				q.Set("state", q.Get("state")+"1")
			}},
		{Name: "callback-error-wrong-iss", Does: "sends an error under another issuer's iss (RFC 9207 2.4)", Stops: AtCallback,
			Metadata: announceIss,
			Callback: func(p *Provider, q url.Values) {
				denied("access_denied", "")(p, q)
				q.Set("iss", p.Issuer+"1")
			}},
	}
}

func announceIss(_ *Provider, m map[string]any) {
	m["authorization_response_iss_parameter_supported"] = true
}

func set(name, value string) func(*Provider, url.Values) {
	return func(_ *Provider, q url.Values) { q.Set(name, value) }
}

// denied is an error answer; it has no code.
func denied(code, description string) func(*Provider, url.Values) {
	return func(_ *Provider, q url.Values) {
		q.Del("code")
		q.Set("error", code)
		if description != "" {
			q.Set("error_description", description)
		}
	}
}
