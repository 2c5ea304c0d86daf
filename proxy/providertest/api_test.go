package providertest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"doorward/proxy/providertest"
)

// introspect asks about a token; change bends the request.
func introspect(t *testing.T, p *providertest.Provider, token string, change func(r *http.Request)) (int, map[string]any) {
	t.Helper()
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL(providertest.Introspection), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(url.QueryEscape(providertest.ClientID), url.QueryEscape(providertest.ClientSecret))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if change != nil {
		change(r)
	}
	return decoded(t, r)
}

func TestTokensOfAPIClients(t *testing.T) {
	p := providertest.New(t)
	for kind, token := range map[string]string{"JWT": p.APIToken("bob"), "opaque": p.OpaqueToken("bob")} {
		status, members := introspect(t, p, token, nil)
		if status != http.StatusOK || members["active"] != true || members["sub"] != "bob" || members["client_id"] != providertest.APIClient {
			t.Errorf("%s: %d, %v", kind, status, members)
		}
		p.Withdraw(token)
		if _, members := introspect(t, p, token, nil); members["active"] != false || len(members) != 1 {
			t.Errorf("%s, withdrawn: %v", kind, members)
		}
	}
	if claims := verified(t, p, p.APIToken("bob")); claims["sub"] != "bob" || claims["iss"] != p.Issuer || claims["nonce"] != nil {
		t.Errorf("the claims are %v", claims)
	}
	if _, members := introspect(t, p, "made up", nil); members["active"] != false {
		t.Errorf("made up: %v", members)
	}
}

func TestIntrospectionIsForTheClientAlone(t *testing.T) {
	p := providertest.New(t)
	token := p.OpaqueToken("bob")
	for name, change := range map[string]func(*http.Request){
		"nobody":       func(r *http.Request) { r.Header.Del("Authorization") },
		"wrong secret": func(r *http.Request) { r.SetBasicAuth(providertest.ClientID, "x") },
	} {
		if status, members := introspect(t, p, token, change); status != http.StatusUnauthorized || members["active"] != nil {
			t.Errorf("%s: %d, %v", name, status, members)
		}
	}
	if status, _ := introspect(t, p, "", nil); status != http.StatusBadRequest {
		t.Errorf("without a token: %d", status)
	}
}

// Every row bends what it says it bends, and bears a name of its own.
func TestFaultsOfAPIClientsBend(t *testing.T) {
	seen := map[string]bool{}
	for _, list := range [][]providertest.Mutation{
		providertest.APITokenFaults(), providertest.APITokenOddities(),
		providertest.IntrospectionFaults(), providertest.IntrospectionOutages(), providertest.IntrospectionOddities(),
	} {
		for i, m := range list {
			if seen[m.Name] || m.Does == "" {
				t.Errorf("%q: seen %v, does %q", m.Name, seen[m.Name], m.Does)
			}
			seen[m.Name] = true
			honest := i == 0 && (m.Name == "api-token" || m.Name == "introspection")
			if (m.Metadata == nil && m.APIToken == nil && m.Introspection == nil) != honest {
				t.Errorf("%s bends nothing", m.Name)
			}
		}
	}
}
