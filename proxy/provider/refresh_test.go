package provider

import (
	"net/url"
	"testing"
)

// refreshable signs alice in with a refresh token, and gives what a session knows of her then.
func (o *op) refreshable(t *testing.T, p *Provider) Known {
	t.Helper()
	o.tokenResponse = set("refresh_token", "rt")
	person, err := o.login(t, p)
	if err != nil {
		t.Fatal(err)
	}
	return Known{Subject: person.Subject, SessionID: person.SessionID, IDToken: person.IDToken, AccessToken: person.AccessToken, RefreshToken: "rt"}
}

// Where every login has to be of some context, a refresh does not put another in its place (OIDC Core 3.1.3.7 (12)).
func TestContextAfterARefresh(t *testing.T) {
	for _, c := range []struct {
		name, login string
		refreshed   func(map[string]any)
		want        Outcome
	}{
		{"the same", "gold", set("acr", "gold"), Refreshed},
		{"another that is asked for", "gold", set("acr", "silver"), Refreshed},
		{"none", "gold", without("acr"), Refreshed},
		{"one that is not asked for", "gold", set("acr", "bronze"), Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOP(t, "ES256")
			o.idClaims = set("acr", c.login)
			p := o.client(t, func(o *Options) { o.AuthParams = url.Values{"acr_values": {"silver gold"}} })
			known := o.refreshable(t, p)
			o.idClaims = c.refreshed
			if _, err := p.Refresh(t.Context(), known); OutcomeOf(err) != c.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

// After a restart a provider that is misconfigured just then is one that is away: the refresh token is not spent, and the session goes on.
func TestRefreshWhileTheMetadataIsWrong(t *testing.T) {
	o := newOP(t, "ES256")
	known := o.refreshable(t, o.client(t, nil))
	o.metadata = set("issuer", "https://other.example.com")
	person, err := o.client(t, nil).Refresh(t.Context(), known)
	if person != nil || OutcomeOf(err) != Unavailable {
		t.Errorf("got %v, %v", person, err)
	}
	if n := o.count("POST /token"); n != 1 {
		t.Errorf("the token endpoint was asked %d times", n)
	}
}

// A session whose ID token is another person's, or none, is not refreshed.
func TestRefreshNeedsTheSessionsOwnIDToken(t *testing.T) {
	o := newOP(t, "ES256")
	p := o.client(t, nil)
	known := o.refreshable(t, p)
	for name, change := range map[string]func(*Known){
		"another's":   func(k *Known) { k.Subject = "bob" },
		"nobody's":    func(k *Known) { k.Subject = "" },
		"none":        func(k *Known) { k.IDToken = "" },
		"two parts":   func(k *Known) { k.IDToken = "e30.e30" },
		"no base64":   func(k *Known) { k.IDToken = "e30.!.e30" },
		"not an JSON": func(k *Known) { k.IDToken = "e30.e30x.e30" },
	} {
		t.Run(name, func(t *testing.T) {
			wrong := known
			change(&wrong)
			_, err := p.Refresh(t.Context(), wrong)
			o.wantKind(t, err, KindInvalidIDToken)
		})
	}
	if n := o.count("POST /token"); n != 1 {
		t.Errorf("the token endpoint was asked %d times", n)
	}
}

// A login that a rule asked to be of another context than all others keeps it when the provider says it again.
func TestContextOfAStepUpSurvivesARefresh(t *testing.T) {
	o := newOP(t, "ES256")
	o.idClaims = set("acr", "platinum")
	o.tokenResponse = set("refresh_token", "rt")
	p := o.client(t, func(o *Options) { o.AuthParams = url.Values{"acr_values": {"silver gold"}} })
	r := NewRequest(callback)
	r.ACR = []string{"platinum"}
	o.nonce = r.Nonce
	person, err := p.Complete(t.Context(), r, Answer{Code: testCode, State: r.State})
	if err != nil {
		t.Fatal(err)
	}
	known := Known{Subject: person.Subject, SessionID: person.SessionID, IDToken: person.IDToken, AccessToken: person.AccessToken, RefreshToken: "rt"}
	if _, err := p.Refresh(t.Context(), known); err != nil {
		t.Error(err)
	}
}

// A claim that a new ID token no longer names is gone: nobody keeps a group that was taken away.
func TestClaimsThatANewIDTokenLeavesOut(t *testing.T) {
	o := newOP(t, "ES256")
	o.idClaims, o.userinfo = set("groups", []string{"Admin"}), without("groups")
	p := o.client(t, nil)
	known := o.refreshable(t, p)
	o.idClaims = nil
	person, err := p.Refresh(t.Context(), known)
	if err != nil {
		t.Fatal(err)
	}
	if groups, found := person.Claim("groups"); found {
		t.Errorf("the groups are %v", groups)
	}
}

// An access token of which nothing is read takes no claim away: without a new ID token, what the one before said holds.
func TestAnAccessTokenThatIsNotReadTakesNothingAway(t *testing.T) {
	o := newOP(t, "ES256")
	o.idClaims, o.accessClaims, o.userinfo = set("groups", []string{"Admin"}), set("groups", []string{"Admin"}), without("groups")
	p := o.client(t, nil)
	known := o.refreshable(t, p)
	o.tokenResponse = without("id_token")
	person, err := p.Refresh(t.Context(), known)
	if err != nil {
		t.Fatal(err)
	}
	if _, found := person.Claim("groups"); !found {
		t.Error("the groups are gone")
	}
}
