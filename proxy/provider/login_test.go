package provider

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func TestAuthorizationURLHasEveryParameterOnce(t *testing.T) {
	o := newOP(t, "RS256")
	p := o.client(t, func(o *Options) {
		o.ResponseMode = "form_post"
		o.AuthParams = url.Values{"prompt": {"login"}, "resource": {"a", "b"}}
	})
	r := NewRequest(callback)
	address, err := p.AuthorizationURL(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	challenge := sha256.Sum256([]byte(r.Verifier))
	want := url.Values{
		"tenant": {"one"}, "client_id": {testClient}, "response_type": {"code"}, "scope": {"openid profile"},
		"redirect_uri": {callback}, "state": {r.State}, "nonce": {r.Nonce}, "code_challenge": {b64(challenge[:])},
		"code_challenge_method": {"S256"}, "response_mode": {"form_post"}, "prompt": {"login"}, "resource": {"a", "b"},
	}
	if got := u.Query(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if got := u.Scheme + "://" + u.Host + u.Path; got != o.issuer+"/authorize" {
		t.Errorf("it leads to %s", got)
	}
}

func TestRequestsAreRandomAndOf43Characters(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		r := NewRequest(callback)
		for _, value := range []string{r.State, r.Nonce, r.Verifier} {
			if len(value) != 43 || strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
				t.Fatalf("%q is not 43 characters of base64url", value)
			}
			if seen[value] {
				t.Fatal("a value came twice")
			}
			seen[value] = true
		}
	}
}

func TestHonestLogin(t *testing.T) {
	o := newOP(t, "RS256")
	person, err := o.login(t, o.client(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if person.Issuer != o.issuer || person.Subject != testPerson || person.SessionID != "session-1" || person.ACR != "mfa" {
		t.Errorf("got %+v", person)
	}
	if ago := time.Since(person.AuthTime); ago < 4*time.Second || ago > time.Minute {
		t.Errorf("auth_time is %s ago", ago)
	}
	if left := time.Until(person.TokenExpiry); left < 9*time.Minute || left > 10*time.Minute {
		t.Errorf("the token expires in %s", left)
	}
	if groups, _ := person.Claim("groups"); !reflect.DeepEqual(groups, []any{"Dev"}) {
		t.Errorf("groups are %v", groups)
	}
}

func TestTokenRequestIsExactlyAsTheStandardSays(t *testing.T) {
	o := newOP(t, "RS256")
	p := o.client(t, nil)
	r := NewRequest(callback)
	o.nonce = r.Nonce
	if _, err := p.Complete(t.Context(), r, Answer{Code: testCode, State: r.State}); err != nil {
		t.Fatal(err)
	}
	want := []string{"GET /.well-known/openid-configuration", "POST /token", "GET /jwks", "GET /userinfo"}
	if got := o.seen(); !slices.Equal(got, want) {
		t.Errorf("requests: %v", got)
	}
	wantForm := url.Values{"grant_type": {"authorization_code"}, "code": {testCode}, "redirect_uri": {callback}, "code_verifier": {r.Verifier}}
	if !reflect.DeepEqual(o.form, wantForm) {
		t.Errorf("form: %v", o.form)
	}
	if !strings.HasPrefix(o.auth, "Bearer eyJ") {
		t.Errorf("userinfo was asked with %.10s", o.auth)
	}
}

func TestClientAuthenticatesWithEncodedBasic(t *testing.T) {
	o := newOP(t, "RS256")
	if _, err := o.login(t, o.client(t, func(o *Options) { o.NeededClaims = nil })); err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Header: http.Header{"Authorization": {o.auth}}}
	id, secret, ok := r.BasicAuth()
	if !ok || id != url.QueryEscape(testClient) || secret != url.QueryEscape(testSecret) {
		t.Errorf("got %q %q", id, secret)
	}
}

func TestChecksAreWrittenDownInOrder(t *testing.T) {
	o := newOP(t, "RS256")
	person, err := o.login(t, o.client(t, func(o *Options) { o.Audience = []string{"api"} }))
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, c := range person.Checks {
		if c.What == "" || c.Source == "" {
			t.Errorf("%+v says nothing", c)
		}
		if len(order) == 0 || order[len(order)-1] != c.Of {
			order = append(order, c.Of)
		}
	}
	if want := []string{"answer", "token response", "ID token", "access token", "userinfo"}; !slices.Equal(order, want) {
		t.Errorf("got %v", order)
	}
	made, _ := json.Marshal(person.Checks)
	for _, secret := range []string{testCode, o.nonce, person.AccessToken, person.IDToken, testSecret} {
		if strings.Contains(string(made), secret) {
			t.Error("the checks hold a secret")
		}
	}
}

func TestAnswersToTheCallback(t *testing.T) {
	const wrong = "https://other.example.com"
	announce := set("authorization_response_iss_parameter_supported", true)
	tests := map[string]struct {
		metadata func(map[string]any)
		change   func(a *Answer, issuer string)
		kind     Kind // -1: fine
	}{
		"iss right":                     {announce, func(a *Answer, issuer string) { a.Issuer = issuer }, -1},
		"iss unannounced":               {nil, func(a *Answer, issuer string) { a.Issuer = issuer }, -1},
		"iss wrong":                     {announce, func(a *Answer, _ string) { a.Issuer = wrong }, KindIssuerMismatch},
		"iss wrong by a slash":          {announce, func(a *Answer, issuer string) { a.Issuer = issuer + "/" }, KindIssuerMismatch},
		"iss wrong, unannounced":        {nil, func(a *Answer, _ string) { a.Issuer = wrong }, KindIssuerMismatch},
		"iss missing":                   {announce, func(*Answer, string) {}, KindIssuerMismatch},
		"error with iss missing":        {announce, func(a *Answer, _ string) { a.Code, a.Error = "", "access_denied" }, KindIssuerMismatch},
		"error with iss wrong":          {nil, func(a *Answer, _ string) { a.Code, a.Error, a.Issuer = "", "access_denied", wrong }, KindIssuerMismatch},
		"error":                         {nil, func(a *Answer, _ string) { a.Code, a.Error = "", "access_denied" }, KindProviderError},
		"error with iss right":          {announce, func(a *Answer, issuer string) { a.Code, a.Error, a.Issuer = "", "access_denied", issuer }, KindProviderError},
		"state of another login":        {nil, func(a *Answer, _ string) { a.State = NewRequest("").State }, KindInvalidAnswer},
		"error with another's state":    {nil, func(a *Answer, _ string) { a.Code, a.Error, a.State = "", "access_denied", "x" }, KindInvalidAnswer},
		"code missing":                  {nil, func(a *Answer, _ string) { a.Code = "" }, KindInvalidAnswer},
		"announced, but not as boolean": {set("authorization_response_iss_parameter_supported", "true"), func(*Answer, string) {}, KindInvalidMetadata},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "RS256")
			o.metadata = test.metadata
			r := NewRequest(callback)
			o.nonce = r.Nonce
			a := Answer{Code: testCode, State: r.State}
			test.change(&a, o.issuer)
			_, err := o.client(t, nil).Complete(t.Context(), r, a)
			if test.kind == -1 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			o.wantKind(t, err, test.kind)
			if o.count("POST /token") > 0 {
				t.Error("the code was sent all the same")
			}
		})
	}
}

func TestProviderErrorIsBoundedAndPrintable(t *testing.T) {
	o := newOP(t, "RS256")
	r := NewRequest(callback)
	_, err := o.client(t, nil).Complete(t.Context(), r, Answer{
		State: r.State, Error: "access_denied\r\nx", ErrorDescription: "No \u202eway\x00 \xff" + strings.Repeat("ü", 1000),
	})
	o.wantKind(t, err, KindProviderError)
	known := err.(*Error)
	if known.Code != "access_denied  x" {
		t.Errorf("code %q", known.Code)
	}
	if d := known.Description; !strings.HasPrefix(d, "No  way") || len([]rune(d)) != 501 || strings.ContainsAny(d, "\x00\u202e\ufffd") {
		t.Errorf("description %q", d)
	}
}

func TestParseAnswer(t *testing.T) {
	tests := map[string]struct {
		query string
		ok    bool
	}{
		"code":                    {"code=c&state=s", true},
		"error":                   {"error=e&state=s&error_description=d", true},
		"unknown parameters":      {"code=c&state=s&session_state=x&session_state=y", true},
		"empty is absent":         {"code=c&state=s&error=", true},
		"code twice":              {"code=c&code=c&state=s", false},
		"state twice":             {"code=c&state=s&state=s", false},
		"iss twice":               {"code=c&state=s&iss=a&iss=a", false},
		"error twice":             {"error=e&error=e&state=s", false},
		"description twice":       {"error=e&state=s&error_description=a&error_description=b", false},
		"code and error":          {"code=c&error=e&state=s", false},
		"neither":                 {"state=s", false},
		"nothing":                 {"", false},
		"state missing":           {"code=c", false},
		"code empty":              {"code=&state=s", false},
		"iss empty":               {"code=c&state=s&iss=", false},
		"code longer than a page": {"state=s&code=" + strings.Repeat("c", 9000), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v, err := url.ParseQuery(test.query)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ParseAnswer(v); (err == nil) != test.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Whatever comes, an answer that is accepted holds each value exactly as it came, once.
func FuzzParseAnswer(f *testing.F) {
	f.Add("code=c&state=s&iss=i")
	f.Add("error=e&state=s&code=")
	f.Add("code=c&state=s&state=")
	f.Fuzz(func(t *testing.T, query string) {
		v, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		a, err := ParseAnswer(v)
		if err != nil {
			return
		}
		if (a.Code == "") == (a.Error == "") || a.State == "" {
			t.Errorf("contradictory: %+v", a)
		}
		for name, got := range map[string]string{"code": a.Code, "state": a.State, "iss": a.Issuer, "error": a.Error} {
			if len(v[name]) > 1 || v.Get(name) != got {
				t.Errorf("%s: %q became %q", name, v[name], got)
			}
		}
	})
}

func TestEndSessionURL(t *testing.T) {
	o := newOP(t, "RS256")
	o.metadata = set("end_session_endpoint", o.issuer+"/logout?tenant=one")
	address, ok := o.client(t, nil).EndSessionURL(t.Context(), "hint", "https://app.example.com/bye", "")
	if want := o.issuer + "/logout?client_id=the+client&id_token_hint=hint&post_logout_redirect_uri=https%3A%2F%2Fapp.example.com%2Fbye&tenant=one"; !ok || address != want {
		t.Errorf("got %s", address)
	}
}

// Amazon Cognito has parameters of its own, and gets no other: it needs no ID token.
func TestEndSessionURLOfCognito(t *testing.T) {
	const (
		endpoint = "https://pool.auth.eu-west-1.amazoncognito.com/logout"
		bye      = "=https%3A%2F%2Fapp.example.com%2Fbye"
	)
	for issuer, want := range map[string]string{
		"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_aBc":       "?client_id=the+client&logout_uri" + bye,
		"https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_aBc":  "?client_id=the+client&logout_uri" + bye,
		"https://cognito-idp.eu-west-1.amazonaws.com.example.com/another": "?client_id=the+client&id_token_hint=hint&post_logout_redirect_uri" + bye + "&state=s",
	} {
		o := newOP(t, "RS256")
		reached := o.issuer
		o.issuer = issuer
		o.metadata = set("end_session_endpoint", endpoint)
		p := o.client(t, nil)
		p.client.transport = below{o.issuer, reached}
		if address, ok := p.EndSessionURL(t.Context(), "hint", "https://app.example.com/bye", "s"); !ok || address != endpoint+want {
			t.Errorf("%s: got %s", issuer, address)
		}
	}
}

func TestEndSessionURLWithoutEndpoint(t *testing.T) {
	o := newOP(t, "RS256")
	o.metadata = without("end_session_endpoint")
	if address, ok := o.client(t, nil).EndSessionURL(t.Context(), "hint", "", "s"); ok {
		t.Errorf("got %s", address)
	}
}

func TestOptionsThatNewRefuses(t *testing.T) {
	tests := map[string]func(*Options){
		"no client id":      func(o *Options) { o.ClientID = "" },
		"no secret":         func(o *Options) { o.ClientSecret = nil },
		"empty secret":      func(o *Options) { o.ClientSecret = func() string { return "" } },
		"no secret to post": func(o *Options) { o.ClientAuth, o.ClientSecret = "client_secret_post", nil },
		"no key":            func(o *Options) { o.ClientAuth = "private_key_jwt" },
		"no usable key": func(o *Options) {
			o.ClientAuth, o.ClientKey = "private_key_jwt", func() *jose.JSONWebKey { return nil }
		},
		"no public client id":  func(o *Options) { o.ClientAuth, o.ClientID = "none", "" },
		"unknown method":       func(o *Options) { o.ClientAuth = "client_secret_jwt" },
		"no openid":            func(o *Options) { o.Scopes = []string{"profile"} },
		"response mode":        func(o *Options) { o.ResponseMode = "fragment" },
		"http issuer":          func(o *Options) { o.Issuer = "http://idp.example.com" },
		"issuer with query":    func(o *Options) { o.Issuer = "https://idp.example.com?a=b" },
		"issuer with fragment": func(o *Options) { o.Issuer = "https://idp.example.com#a" },
		"issuer with password": func(o *Options) { o.Issuer = "https://a:b@idp.example.com" },
		"no issuer":            func(o *Options) { o.Issuer = "" },
		"internal with path":   func(o *Options) { o.InternalURL = "https://idp/realm" },
		"internal http":        func(o *Options) { o.InternalURL = "http://idp:8080" },
		"CA":                   func(o *Options) { o.CA = func() string { return "no PEM" } },
		"own state":            func(o *Options) { o.AuthParams = url.Values{"state": {"x"}} },
		"own client_assertion": func(o *Options) { o.AuthParams = url.Values{"client_assertion": {"x"}} },
		"own request_uri":      func(o *Options) { o.AuthParams = url.Values{"request_uri": {"x"}} },
		"max_age in words":     func(o *Options) { o.AuthParams = url.Values{"max_age": {"an hour"}} },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			options := Options{Issuer: "https://idp.example.com", ClientID: "c", ClientSecret: func() string { return "s" }, Scopes: []string{"openid"}}
			if _, err := New(options); err != nil {
				t.Fatal(err)
			}
			change(&options)
			if _, err := New(options); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestKindsHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if name := k.String(); name == "unknown" || seen[name] {
			t.Errorf("kind %d is called %q", k, name)
		} else {
			seen[name] = true
		}
	}
	if len(seen) != 14 {
		t.Errorf("there are %d", len(seen))
	}
}

// A refresh may leave the nonce out, and the next one name that of the login again (OIDC Core 12.2).
func TestANonceThatComesBack(t *testing.T) {
	o := newOP(t, "ES256")
	o.tokenResponse = set("refresh_token", "rt")
	p := o.client(t, nil)
	first, err := o.login(t, p)
	if err != nil {
		t.Fatal(err)
	}
	known := Known{Subject: first.Subject, SessionID: first.SessionID, IDToken: first.IDToken, AccessToken: first.AccessToken, RefreshToken: "rt"}
	o.idClaims = without("nonce")
	second, err := p.Refresh(t.Context(), known)
	if err != nil {
		t.Fatal(err)
	}
	o.idClaims, known.IDToken, known.AccessToken = nil, second.IDToken, second.AccessToken
	if _, err := p.Refresh(t.Context(), known); err != nil {
		t.Error(err)
	}
}
