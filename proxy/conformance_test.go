package proxy_test

import (
	"crypto/rand"
	"net/http"
	"testing"

	"doorward/config"
	"doorward/proxy/providertest"
)

// The modules of the OpenID Foundation's relying-party suite, plan by plan, under the suite's own conditions: access tokens are opaque,
// and a login is over when userinfo was asked, so that USERINFO is always.
//
// What is not here, and why:
//
//   - oidcc-client-test-signing-key-rotation takes two logins: TestKeysRotateBetweenLogins.
//   - oidcc-client-test-form-post-error: TestFormPostError.
//   - …-missing-athash, -invalid-chash and -missing-chash bend tokens of the front channel, of which response_type=code has none. A wrong
//     at_hash is refused all the same.
//   - …-userinfo-bearer-body leaves the way of the access token to the client, and ours is the header.
//   - …-discovery-webfinger-acct and -url, -dynamic-registration, -request-uri-signed-rs256 and -none are for clients that the provider
//     does not know yet. doorward is configured.
//   - FAPI's modules of DPoP, JARM and mutual TLS, which doorward does not speak; invalid-openbanking-intent-id, of a profile of its own.
//   - The modules of refresh, logout, and logins that a third party begins stand with the tests of these.

// basicPlan is oidcc-client-basic-certification-test-plan, and with posted answers oidcc-client-formpost-basic-certification-test-plan.
func basicPlan() []string {
	return []string{
		"oidcc-client-test",
		"oidcc-client-test-invalid-iss",
		"oidcc-client-test-missing-sub",
		"oidcc-client-test-invalid-aud",
		"oidcc-client-test-missing-iat",
		"oidcc-client-test-kid-absent-single-jwks",
		"oidcc-client-test-kid-absent-multiple-jwks",
		"oidcc-client-test-idtoken-sig-rs256",
		"oidcc-client-test-idtoken-sig-none",
		"oidcc-client-test-invalid-sig-rs256",
		"oidcc-client-test-userinfo-invalid-sub",
		"oidcc-client-test-nonce-invalid",
		"oidcc-client-test-scope-userinfo-claims",
		"oidcc-client-test-client-secret-basic",
	}
}

// configPlan is oidcc-client-config-certification-test-plan.
func configPlan() []string {
	return []string{
		"oidcc-client-test-discovery-openid-config",
		"oidcc-client-test-discovery-jwks-uri-keys",
		"oidcc-client-test-discovery-issuer-mismatch",
		"oidcc-client-test-idtoken-sig-none",
		"oidcc-client-test-signing-key-rotation-just-before-signing",
	}
}

// furtherModules are those of oidcc-client-test-plan.
func furtherModules() []string {
	return []string{
		"oidcc-client-test-missing-aud",
		"oidcc-client-test-invalid-sig-hs256",
		"oidcc-client-test-invalid-sig-es256",
		"oidcc-client-test-nonce-unless-code-flow",
		"oidcc-client-test-invalid-athash",
		"oidcc-client-test-userinfo-bearer-header",
		"oidcc-client-test-userinfo-signed",
		"oidcc-client-test-aggregated-claims",
		"oidcc-client-test-distributed-claims",
		"oidcc-client-test-mtls-endpoint-aliases",
	}
}

// fapiModules are those of fapi2-security-profile-final-client-test-plan that are about tokens and answers, and as which mutations they
// are played: many do what a module of the other plans does.
func fapiModules() map[string]string {
	const prefix = "fapi2-security-profile-final-client-"
	return map[string]string{
		prefix + "test-happy-path":                                                "oidcc-client-test",
		prefix + "test-discovery-issuer-mismatch":                                 "oidcc-client-test-discovery-issuer-mismatch",
		prefix + "test-invalid-iss":                                               "oidcc-client-test-invalid-iss",
		prefix + "test-invalid-aud":                                               "oidcc-client-test-invalid-aud",
		prefix + "test-invalid-missing-aud":                                       "oidcc-client-test-missing-aud",
		prefix + "test-invalid-nonce":                                             "oidcc-client-test-nonce-invalid",
		prefix + "test-invalid-missing-iss":                                       "",
		prefix + "test-invalid-missing-exp":                                       "",
		prefix + "test-invalid-secondary-aud":                                     "",
		prefix + "test-valid-aud-as-array":                                        "",
		prefix + "test-invalid-null-alg":                                          "",
		prefix + "test-invalid-alternate-alg":                                     "",
		prefix + "test-invalid-expired-exp":                                       "",
		prefix + "test-invalid-missing-nonce":                                     "",
		prefix + "test-token-type-case-insensitivity":                             "",
		prefix + "test-invalid-authorization-response-iss":                        "",
		prefix + "test-remove-authorization-response-iss":                         "",
		prefix + "test-token-endpoint-response-without-expires_in":                "",
		prefix + "ensure-authorization-response-with-invalid-state-fails":         "",
		prefix + "ensure-authorization-response-with-invalid-missing-state-fails": "",
	}
}

func TestBasicPlan(t *testing.T) { plan(t, basicPlan(), false) }

func TestFormPostBasicPlan(t *testing.T) { plan(t, basicPlan(), true) }

func TestConfigPlan(t *testing.T) { plan(t, configPlan(), false) }

func TestFurtherModules(t *testing.T) { plan(t, furtherModules(), false) }

func TestFAPIModules(t *testing.T) {
	for name, as := range fapiModules() {
		if as == "" {
			as = name
		}
		t.Run(name, func(t *testing.T) { play(t, as, false) })
	}
}

func plan(t *testing.T, modules []string, formPost bool) {
	for _, name := range modules {
		t.Run(name, func(t *testing.T) { play(t, name, formPost) })
	}
}

// play goes through a module as the suite does, and judges as it does.
func play(t *testing.T, name string, formPost bool) {
	m, ok := providertest.Find(name)
	if !ok {
		t.Fatal("providertest has no such mutation")
	}
	t.Parallel()
	start, mode := newSite, ""
	if formPost {
		start, mode = newTLSSite, "form_post"
	}
	s := start(t, func(c *config.Config) { c.Audience, c.Userinfo, c.ResponseMode = nil, "always", mode }, opaqueTokens(), m)
	b := s.browser()

	p := b.walk(s.URL + "/x?q=canary-query")

	if m.Stops == providertest.Nowhere {
		succeeds(t, s, p)
		return
	}
	isPage(t, p)
	wentNoFurther(t, s, m.Stops)
	hasNoCookies(t, s, b, m.Stops)
	hasNoSession(t, s, b)
	isRecorded(t, s, m, p)
}

// opaqueTokens makes access tokens mean nothing to a client, as the suite's do.
func opaqueTokens() providertest.Mutation {
	return providertest.Mutation{Name: "opaque", AccessToken: func(_ *providertest.Provider, j *providertest.JWT) {
		j.Finish = func(string) string { return rand.Text() + rand.Text() }
	}}
}

// succeeds checks a login that the suite counts as finished: every endpoint was asked, code and userinfo exactly once.
func succeeds(t *testing.T, s *site, p *page) {
	t.Helper()
	if p.StatusCode != http.StatusOK || len(s.Upstream.Received()) != 1 {
		t.Fatalf("the login ends with %d: %s\n%s", p.StatusCode, p.Text, s.Log)
	}
	for _, e := range []providertest.Endpoint{providertest.Discovery, providertest.Authorization, providertest.Token, providertest.Userinfo} {
		if n := len(s.Provider.Requests(e)); n != 1 {
			t.Fatalf("the %s endpoint was asked %d times", e, n)
		}
	}
	if n := len(s.Provider.Requests(providertest.Keys)); n < 1 || n > 2 {
		t.Errorf("the keys were asked for %d times", n)
	}
	for _, e := range []providertest.Endpoint{providertest.Token, providertest.Userinfo} {
		if refused := s.Provider.Requests(e)[0].Refused; refused != "" {
			t.Errorf("the %s endpoint refuses: %s", e, refused)
		}
	}
	if s.metric(`doorward_logins_total{result="ok"}`) != 1 {
		t.Error("the login is not counted as a success")
	}
	hasNoSecret(t, s)
}
