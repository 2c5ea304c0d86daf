package provider

import (
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// asks changes what a login asks for.
func asks(maxAge time.Duration, acr ...string) func(*Request) {
	return func(r *Request) {
		r.ACR = acr
		if maxAge >= 0 {
			r.MaxAge = &maxAge
		}
	}
}

const notAsked = time.Duration(-1)

// stepUp is a login that asks for more.
func (o *op) stepUp(t *testing.T, p *Provider, change func(*Request)) error {
	t.Helper()
	r := NewRequest(callback)
	if change != nil {
		change(&r)
	}
	o.nonce = r.Nonce
	_, err := p.Complete(t.Context(), r, Answer{Code: testCode, State: r.State})
	return err
}

// met is no kind of failure.
const met = Kind(-1)

func TestMaxAgeAndACRAreCheckedWhenAskedFor(t *testing.T) {
	minute, silverGold := url.Values{"max_age": {"60"}}, url.Values{"acr_values": {"silver gold"}}
	tests := []struct {
		name   string
		params url.Values
		asks   func(*Request)
		change func(map[string]any)
		kind   Kind
	}{
		{"recent", minute, nil, in("auth_time", -60*time.Second), met},
		{"at the leeway", minute, nil, in("auth_time", -90*time.Second), met},
		{"too long ago", minute, nil, in("auth_time", -91*time.Second), KindUnmetAuthentication},
		{"ahead by the leeway", minute, nil, in("auth_time", 30*time.Second), met},
		{"in the future", minute, nil, in("auth_time", 31*time.Second), KindInvalidIDToken},
		{"auth_time missing", minute, nil, without("auth_time"), KindUnmetAuthentication},
		{"auth_time text", minute, nil, set("auth_time", "now"), KindInvalidIDToken},
		{"auth_time null", minute, nil, set("auth_time", nil), KindInvalidIDToken},
		{"not asked for", nil, nil, without("auth_time"), met},
		{"long ago, but not asked for", nil, nil, in("auth_time", -9000*time.Hour), met},
		{"max_age 0", url.Values{"max_age": {"0"}}, nil, in("auth_time", -30*time.Second), met},
		{"max_age 0 and older than the leeway", url.Values{"max_age": {"0"}}, nil, in("auth_time", -31*time.Second), KindUnmetAuthentication},

		{"asked by the login", nil, asks(time.Minute), in("auth_time", -91*time.Second), KindUnmetAuthentication},
		{"asked by the login, 0", nil, asks(0), in("auth_time", -31*time.Second), KindUnmetAuthentication},
		{"the login asks for less time", minute, asks(10 * time.Second), in("auth_time", -60*time.Second), KindUnmetAuthentication},
		{"the login asks for more time", minute, asks(time.Hour), in("auth_time", -91*time.Second), KindUnmetAuthentication},
		{"the login asks for more time, and it is short", minute, asks(time.Hour), in("auth_time", -90*time.Second), met},

		{"one of the acr", silverGold, nil, set("acr", "gold"), met},
		{"another acr", silverGold, nil, set("acr", "bronze"), KindUnmetAuthentication},
		{"acr missing", silverGold, nil, without("acr"), KindUnmetAuthentication},
		{"acr empty", silverGold, nil, set("acr", ""), KindUnmetAuthentication},
		{"acr in another letter case", silverGold, nil, set("acr", "Gold"), KindUnmetAuthentication},
		{"acr is all that was asked for", silverGold, nil, set("acr", "silver gold"), KindUnmetAuthentication},
		{"acr in a list", silverGold, nil, set("acr", []string{"gold"}), KindInvalidIDToken},
		{"acr a number", silverGold, nil, set("acr", 1), KindInvalidIDToken},
		{"the login asks for another acr", silverGold, asks(notAsked, "platinum"), set("acr", "platinum"), met},
		{"the login asks for another acr, and it is the usual one", silverGold, asks(notAsked, "platinum"), set("acr", "gold"), KindUnmetAuthentication},
		{"the login asks for one of several", nil, asks(notAsked, "x", "y"), set("acr", "y"), met},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newLocalOP()
				o.idClaims = test.change
				err := o.stepUp(t, o.client(t, func(o *Options) { o.AuthParams = test.params }), test.asks)
				if test.kind == met {
					if err != nil {
						t.Error(err)
					}
					return
				}
				o.wantKind(t, err, test.kind)
			})
		})
	}
}

func TestAuthorizationURLAsksForWhatTheLoginNeeds(t *testing.T) {
	operators := url.Values{"acr_values": {"silver gold"}, "max_age": {"60"}, "login_hint": {"somebody"}, "prompt": {"login"}}
	for name, test := range map[string]struct {
		params url.Values
		change func(*Request)
		want   url.Values // acr_values, max_age, login_hint, prompt
	}{
		"nothing":                     {nil, nil, url.Values{}},
		"the operator's":              {operators, nil, operators},
		"acr":                         {nil, asks(notAsked, "a", "b"), url.Values{"acr_values": {"a b"}}},
		"time":                        {nil, asks(90 * time.Second), url.Values{"max_age": {"90"}}},
		"no time":                     {nil, asks(0), url.Values{"max_age": {"0"}}},
		"less than the operator's":    {operators, asks(time.Second, "b"), url.Values{"acr_values": {"b"}, "max_age": {"1"}, "login_hint": {"somebody"}, "prompt": {"login"}}},
		"no more than the operator's": {operators, asks(time.Hour), operators},
		"hint": {operators, func(r *Request) { r.LoginHint = "alice&prompt=none" },
			url.Values{"acr_values": {"silver gold"}, "max_age": {"60"}, "login_hint": {"alice&prompt=none"}, "prompt": {"login"}}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "RS256")
			p := o.client(t, func(o *Options) { o.AuthParams = test.params })
			r := NewRequest(callback)
			if test.change != nil {
				test.change(&r)
			}
			for range 2 { // the first leaves the second alone
				address, err := p.AuthorizationURL(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				u, _ := url.Parse(address)
				for _, name := range []string{"acr_values", "max_age", "login_hint", "prompt"} {
					if got := u.Query()[name]; len(got) > 1 || u.Query().Get(name) != test.want.Get(name) {
						t.Errorf("%s is %q, want %q", name, got, test.want[name])
					}
				}
			}
			plain, _ := p.AuthorizationURL(t.Context(), NewRequest(callback))
			if u, _ := url.Parse(plain); u.Query().Get("acr_values") != test.params.Get("acr_values") || u.Query().Get("max_age") != test.params.Get("max_age") {
				t.Errorf("another login asks for %v", u.Query())
			}
		})
	}
}

// OpenID Connect Core Error Code unmet_authentication_requirements 1.0.
func TestProviderSaysThatItCannot(t *testing.T) {
	o := newOP(t, "RS256")
	p := o.client(t, nil)
	r := NewRequest(callback)
	_, err := p.Complete(t.Context(), r, Answer{State: r.State, Error: "unmet_authentication_requirements", ErrorDescription: "no such level"})
	o.wantKind(t, err, KindUnmetAuthentication)
	if !strings.Contains(err.Error(), "unmet_authentication_requirements") || !strings.Contains(err.Error(), "no such level") {
		t.Errorf("the log is told %v", err)
	}
}
