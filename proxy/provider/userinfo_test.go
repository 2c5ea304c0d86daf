package provider

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestUserinfoThatIsRefused(t *testing.T) {
	signed := func(s *signer, change func(map[string]any)) func(*op) {
		return func(o *op) { o.instead = handlers("/userinfo", o.signedUserinfo(s, change)) }
	}
	declared := func(typ string) func(*op) { // as another kind of token (RFC 8725 3.11)
		return func(o *op) {
			claims := map[string]any{"iss": o.issuer, "aud": testClient, "sub": testPerson}
			jwt := o.signer.sign(map[string]any{"alg": o.signer.algorithm, "kid": o.signer.kid, "typ": typ}, claims)
			o.instead = handlers("/userinfo", says(200, "application/jwt", jwt))
		}
	}
	plain := func(status int, contentType, body string) func(*op) {
		return func(o *op) { o.instead = handlers("/userinfo", says(status, contentType, body)) }
	}
	stranger := newSigner("ES256", "key-1")
	tests := map[string]func(*op){
		"sub of another":     func(o *op) { o.userinfo = set("sub", testPerson+"invalid") },
		"sub missing":        func(o *op) { o.userinfo = without("sub") },
		"sub null":           func(o *op) { o.userinfo = set("sub", nil) },
		"sub a number":       func(o *op) { o.userinfo = set("sub", 1) },
		"SUB":                func(o *op) { o.userinfo = set("SUB", testPerson) },
		"page":               plain(200, "text/html", `{"sub":"alice"}`),
		"text/plain":         plain(200, "text/plain", `{"sub":"alice"}`),
		"array":              plain(200, "application/json", `[{"sub":"alice"}]`),
		"sub twice":          plain(200, "application/json", `{"sub":"bob","sub":"alice"}`),
		"trailing data":      plain(200, "application/json", `{"sub":"alice"}{}`),
		"400":                plain(400, "application/json", `{"sub":"alice"}`),
		"404":                plain(404, "application/json", `{"sub":"alice"}`),
		"429":                plain(429, "application/json", `{"sub":"alice"}`),
		"500":                plain(500, "application/json", `{"sub":"alice"}`),
		"gzip bomb":          func(o *op) { o.instead = handlers("/userinfo", bomb) },
		"signed by another":  signed(&stranger, nil),
		"signed for another": signed(nil, set("aud", "other")),
		"signed elsewhere":   signed(nil, set("iss", "https://other.example.com")),
		"signed about bob":   signed(nil, set("sub", "bob")),
		"signed, expired":    signed(nil, in("exp", -time.Hour)),
		"access token":       declared("at+jwt"),
		"logout token":       declared("logout+jwt"),
		"DPoP proof":         declared("dpop+jwt"),
		"JWT, not signed":    plain(200, "application/jwt", unsigned("."+b64([]byte(`{"sub":"alice"}`)), "none")),
		"JSON called JWT":    plain(200, "application/jwt", `{"sub":"alice"}`),
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			spoil(o)
			_, err := o.login(t, o.client(t, nil))
			o.wantKind(t, err, KindInvalidUserinfo)
		})
	}
}

// An access token that userinfo does not take proves nothing about the person: what is in no token stays unknown. Who always wants
// userinfo has no login without.
func TestUserinfoThatRefusesTheToken(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		for _, always := range []bool{false, true} {
			o := newOP(t, "ES256")
			o.instead = handlers("/userinfo", says(status, "application/json", `{"sub":"alice","groups":["Admin"]}`))
			o.idClaims = set("team", "red")
			person, err := o.login(t, o.client(t, func(o *Options) {
				o.AlwaysUserinfo, o.NeededClaims = always, needs("groups", "team", "amr")
			}))
			if always {
				o.wantKind(t, err, KindInvalidUserinfo)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, found := person.Claim("groups"); found || !person.UserinfoRefused || !person.Withheld("groups") {
				t.Errorf("%d: groups are there, or not withheld", status)
			}
			if person.Withheld("team") || person.Withheld("amr") {
				t.Errorf("%d: what the ID token says, and what it alone may say, is withheld", status)
			}
		}
	}
}

// signedUserinfo answers with a JWT, signed by s or else by the provider.
func (o *op) signedUserinfo(s *signer, change func(map[string]any)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if s == nil {
			s = &o.signer
		}
		claims := changed(map[string]any{"iss": o.issuer, "aud": testClient, "sub": testPerson, "groups": []string{"Dev"}}, change)
		w.Header().Set("Content-Type", "application/jwt; charset=utf-8")
		w.Write([]byte(s.sign(map[string]any{"alg": s.algorithm, "kid": s.kid}, claims)))
	}
}

func TestSignedUserinfoIsRead(t *testing.T) {
	o := newOP(t, "ES256")
	o.instead = handlers("/userinfo", o.signedUserinfo(nil, nil))
	person, err := o.login(t, o.client(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if groups, _ := person.Claim("groups"); !reflect.DeepEqual(groups, []any{"Dev"}) {
		t.Errorf("got %v", groups)
	}
}

func TestUserinfoIsAskedOnlyWhenNeeded(t *testing.T) {
	tests := map[string]struct {
		needed []string
		claims func(map[string]any)
		asked  int
	}{
		"in no token":         {[]string{"groups"}, nil, 1},
		"null in the token":   {[]string{"groups"}, set("groups", nil), 1},
		"in the ID token":     {[]string{"groups"}, set("groups", []string{}), 0},
		"by its path":         {[]string{"realm.roles"}, set("realm", map[string]any{"roles": []string{"a"}}), 0},
		"nothing needed":      {nil, nil, 0},
		"the ID token's only": {[]string{"amr"}, nil, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			o.idClaims = test.claims
			if _, err := o.login(t, o.client(t, func(o *Options) { o.NeededClaims = needs(test.needed...) })); err != nil {
				t.Fatal(err)
			}
			if n := o.count("GET /userinfo"); n != test.asked {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// Who wants userinfo always gets it, though nothing in it is needed, and its sub is compared all the same.
func TestUserinfoIsAlwaysAskedWhenWanted(t *testing.T) {
	o := newOP(t, "ES256")
	p := o.client(t, func(o *Options) { o.AlwaysUserinfo, o.NeededClaims = true, nil })
	if _, err := o.login(t, p); err != nil || o.count("GET /userinfo") != 1 {
		t.Errorf("asked %d times: %v", o.count("GET /userinfo"), err)
	}
	o.userinfo = set("sub", "mallory")
	_, err := o.login(t, p)
	o.wantKind(t, err, KindInvalidUserinfo)
}

// Where it cannot be had, no login begins.
func TestUserinfoThatIsWantedButMissing(t *testing.T) {
	o := newOP(t, "ES256")
	o.metadata = without("userinfo_endpoint")
	p := o.client(t, func(o *Options) { o.AlwaysUserinfo = true })
	_, err := p.AuthorizationURL(t.Context(), NewRequest(callback))
	o.wantKind(t, err, KindInvalidMetadata)
	if !strings.Contains(err.Error(), "DOORWARD_USERINFO") {
		t.Errorf("got %v", err)
	}
	findings, _ := p.Inspect(t.Context())
	if !slices.ContainsFunc(findings, func(f Finding) bool { return f.Subject == "userinfo" && f.Level == LevelFail && f.Mend != "" }) {
		t.Errorf("the inspection finds %v", findings)
	}
}

// What the tokens say of somebody counts before what userinfo says (security of rules that name a group).
func TestTokensCountBeforeUserinfo(t *testing.T) {
	o := newOP(t, "ES256")
	o.idClaims = set("groups", []string{"Token"})
	o.userinfo = set("groups", []string{"Userinfo"})
	person, err := o.login(t, o.client(t, func(o *Options) { o.AlwaysUserinfo = true }))
	if err != nil {
		t.Fatal(err)
	}
	if groups, _ := person.Claim("groups"); !reflect.DeepEqual(groups, []any{"Token"}) {
		t.Errorf("got %v", groups)
	}
}

func TestLoginWithoutUserinfoEndpoint(t *testing.T) {
	o := newOP(t, "ES256")
	o.metadata = without("userinfo_endpoint")
	person, err := o.login(t, o.client(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if groups, ok := person.Claim("groups"); ok {
		t.Errorf("got %v", groups)
	}
}

func TestClaimSources(t *testing.T) {
	p := &Person{sources: []object{
		{"a": "id", "n": nil, "realm": map[string]any{"roles": []any{"r"}}, "x.y": "exact", "x": map[string]any{"y": "path"}, "big": json.Number("12345678901234567890")},
		{"a": "access", "b": "access", "n": "access", "sid": "access"},
		{"b": "userinfo", "c": "userinfo", "acr": "userinfo", "auth_time": json.Number("1")},
	}}
	tests := map[string]any{
		"a": "id", "b": "access", "c": "userinfo", "n": "access", "realm.roles": []any{"r"}, "x.y": "exact",
		"sid": nil, "acr": nil, "auth_time": nil, "a.b": nil, "missing": nil, "realm.missing": nil, "": nil, ".": nil,
		"big": json.Number("12345678901234567890"),
	}
	for path, want := range tests {
		if got, ok := p.Claim(path); !reflect.DeepEqual(got, want) || ok != (want != nil) {
			t.Errorf("%q is %v", path, got)
		}
	}
}

// The word that an address is verified counts for that address alone.
func TestEmailIsVouchedForByWhoNamesIt(t *testing.T) {
	tests := map[string]struct {
		sources  []object
		verified bool
	}{
		"beside it":               {[]object{{"email": "a@x", "email_verified": true}}, true},
		"not said":                {[]object{{"email": "a@x"}}, false},
		"false":                   {[]object{{"email": "a@x", "email_verified": false}}, false},
		"text":                    {[]object{{"email": "a@x", "email_verified": "true"}}, false},
		"of another address":      {[]object{{"email": "a@x"}, {"email": "b@x", "email_verified": true}}, false},
		"of no address":           {[]object{{"email": "a@x"}, {"email_verified": true}}, false},
		"elsewhere, same address": {[]object{{"email": "a@x"}, {"email": "a@x", "email_verified": true}}, true},
		"denied first":            {[]object{{"email": "a@x", "email_verified": false}, {"email": "a@x", "email_verified": true}}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			address, verified := (&Person{sources: test.sources}).Email("email")
			if address != "a@x" || verified != test.verified {
				t.Errorf("got %q %v", address, verified)
			}
		})
	}
}

// What was verified before a refresh is not, once the provider says so without naming the address.
func TestVerifiedBeforeAndNotNow(t *testing.T) {
	p := &Person{verified: "a@example.com", sources: []object{{"email_verified": false}, {"email": "a@example.com"}}}
	if _, verified := p.Email("email"); verified {
		t.Error("it is verified still")
	}
	p.sources[0] = object{"sub": "a"}
	if _, verified := p.Email("email"); !verified {
		t.Error("it is not, though nothing was said")
	}
}
