package provider

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestMetadataThatAreRefused(t *testing.T) {
	tests := map[string]func(map[string]any){
		"issuer of another":          func(m map[string]any) { m["issuer"] = m["issuer"].(string) + "INVALID" },
		"issuer with a slash":        func(m map[string]any) { m["issuer"] = m["issuer"].(string) + "/" },
		"issuer in capitals":         func(m map[string]any) { m["issuer"] = strings.ToUpper(m["issuer"].(string)) },
		"issuer missing":             without("issuer"),
		"issuer a number":            set("issuer", 1),
		"ISSUER beside it":           set("ISSUER", "x"),
		"no authorization endpoint":  without("authorization_endpoint"),
		"no token endpoint":          without("token_endpoint"),
		"no keys":                    without("jwks_uri"),
		"token endpoint null":        set("token_endpoint", nil),
		"token endpoint a number":    set("token_endpoint", 7),
		"token endpoint relative":    set("token_endpoint", "/token"),
		"token endpoint in clear":    set("token_endpoint", "http://idp.example.com/token"),
		"token endpoint at metadata": set("token_endpoint", "http://169.254.169.254/latest"),
		"token endpoint a file":      set("token_endpoint", "file:///etc/passwd"),
		"token endpoint a script":    set("authorization_endpoint", "javascript:alert(1)"),
		"token endpoint, password":   set("token_endpoint", "https://a:b@idp.example.com/token"),
		"fragment":                   set("authorization_endpoint", "https://idp.example.com/#"),
		"keys in clear":              set("jwks_uri", "http://idp.example.com/jwks"),
		"userinfo in clear":          set("userinfo_endpoint", "http://idp.example.com/userinfo"),
		"logout a script":            set("end_session_endpoint", "javascript:alert(1)"),
		"plain PKCE alone":           set("code_challenge_methods_supported", []string{"plain"}),
		"PKCE a string":              set("code_challenge_methods_supported", "S256"),
		"no asymmetric algorithm":    set("id_token_signing_alg_values_supported", []string{"none", "HS256"}),
		"algorithms a string":        set("id_token_signing_alg_values_supported", "RS256"),
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			o.metadata = change
			_, err := o.client(t, nil).AuthorizationURL(t.Context(), NewRequest(callback))
			o.wantKind(t, err, KindInvalidMetadata)
		})
	}
}

// An issuer is compared letter by letter; what means the same to a browser is another one (Discovery 4.3).
func TestIssuersThatOnlyMeanTheSame(t *testing.T) {
	for _, other := range []string{
		"https://idp.example.com:443/realm", "https://IDP.example.com/realm", "HTTPS://idp.example.com/realm", "https://idp.example.com/realm/",
		"https://idp.example.com/Realm", "https://idp.example.com/%72ealm", "https://idp.example.com//realm", "https://idp.example.com./realm",
		" https://idp.example.com/realm", "https://idp.example.com/realm?", "https://idp.example.com/realm#",
	} {
		o := &op{issuer: "https://idp.example.com/realm"}
		o.rotate("ES256", "key-1")
		o.instead = handlers("/realm/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
			respond(w, changed(o.honestMetadata(), set("issuer", other)))
		})
		p := o.client(t, nil)
		_, err := p.AuthorizationURL(t.Context(), NewRequest(callback))
		o.wantKind(t, err, KindInvalidMetadata)
		if !strings.Contains(err.Error(), "to the letter") {
			t.Errorf("%s: %v", other, err)
		}
	}
}

func TestDiscoveryThatMisbehaves(t *testing.T) {
	tests := map[string]struct {
		answer http.HandlerFunc
		kind   Kind
	}{
		"404":               {http.NotFound, KindUnavailable},
		"500":               {says(500, "text/html", "x"), KindUnavailable},
		"page":              {says(200, "text/html", "<h1>x</h1>"), KindInvalidMetadata},
		"array":             {says(200, "application/json", "[]"), KindInvalidMetadata},
		"2 MB":              {says(200, "application/json", `{"x":"`+strings.Repeat("x", 2<<20)+`"}`), KindUnavailable},
		"gzip bomb":         {bomb, KindUnavailable},
		"connection closed": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, KindUnavailable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			o.instead = handlers("/.well-known/openid-configuration", test.answer)
			_, err := o.client(t, nil).AuthorizationURL(t.Context(), NewRequest(callback))
			o.wantKind(t, err, test.kind)
		})
	}
}

// Metadata that have become bad change nothing: those of before serve, and it is told what is wrong. Good ones take their place.
func TestMetadataThatChange(t *testing.T) {
	const discovery = "/.well-known/openid-configuration"
	tests := map[string]struct {
		change func(*op)
		told   string
	}{
		"another issuer":            {func(o *op) { o.metadata = set("issuer", "https://other.example.com") }, "issuer is"},
		"the issuer, trimmed":       {func(o *op) { o.metadata = set("issuer", strings.TrimSuffix(o.issuer, "/")) }, "issuer is"},
		"a token endpoint in clear": {func(o *op) { o.metadata = set("token_endpoint", "http://idp.example.com/token") }, "https"},
		"keys where no provider is": {func(o *op) { o.metadata = set("jwks_uri", "https://169.254.169.254/") }, "link-local"},
		"keys on this machine":      {func(o *op) { o.metadata = set("jwks_uri", "https://localhost/jwks") }, "this machine"},
		"no PKCE any more":          {func(o *op) { o.metadata = set("code_challenge_methods_supported", []string{}) }, "S256"},
		"no keys":                   {func(o *op) { o.metadata = without("jwks_uri") }, "jwks_uri is missing"},
		"a page":                    {func(o *op) { o.instead = handlers(discovery, says(200, "text/html", "<h1>")) }, "not JSON"},
		"an error":                  {func(o *op) { o.instead = handlers(discovery, says(503, "", "")) }, "status is 503"},
		"a redirect":                {func(o *op) { o.instead = handlers(discovery, says(302, "", "")) }, "redirect"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := &op{issuer: "https://idp.example.com/"}
			o.rotate("ES256", "key-1")
			var told []string
			p := o.client(t, func(o *Options) {
				o.OnFetch = func(document string, err error) { told = append(told, fmt.Sprint(document, ": ", err)) }
			})
			synctest.Test(t, func(t *testing.T) {
				pass := func(wait time.Duration) { // the first login renews, the second would suffer from it
					time.Sleep(wait)
					for range 2 {
						if _, err := o.login(t, p); err != nil {
							t.Error(err)
						}
						synctest.Wait()
					}
				}
				pass(0)
				test.change(o)
				pass(metadataMaxAge + time.Second)
				pass(time.Minute)
				if len(told) != 1 || !strings.HasPrefix(told[0], "metadata: ") || !strings.Contains(told[0], test.told) {
					t.Errorf("it is told that %q", told)
				}
				o.instead, o.metadata = map[string]http.HandlerFunc{}, set("authorization_endpoint", o.issuer+"moved")
				pass(time.Minute)
				if address, err := p.AuthorizationURL(t.Context(), NewRequest(callback)); err != nil || !strings.HasPrefix(address, o.issuer+"moved?") {
					t.Errorf("afterwards people are sent to %s: %v", address, err)
				}
				if len(told) != 2 || told[1] != "metadata: <nil>" {
					t.Errorf("it is told that %q", told)
				}
			})
		})
	}
}

func TestNothingIsAskedBeforeItIsNeeded(t *testing.T) {
	o := newOP(t, "ES256")
	p := o.client(t, nil)
	if p.Up() || !p.KeysFetchedAt().IsZero() || len(o.seen()) > 0 {
		t.Error("New asked the provider")
	}
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !p.Up() || p.KeysFetchedAt().IsZero() {
		t.Error("the provider does not count as up")
	}
}

// An issuer may end in a slash; the well-known address has one all the same, and the issuer keeps its own.
func TestIssuerWithATrailingSlash(t *testing.T) {
	o := newOP(t, "ES256")
	o.issuer += "/"
	if _, err := o.login(t, o.client(t, nil)); err != nil {
		t.Error(err)
	}
	if got := wellKnown("https://a/realms/x"); got != "https://a/realms/x/.well-known/openid-configuration" {
		t.Errorf("got %s", got)
	}
}

func TestEndpointsThatAreAllowed(t *testing.T) {
	tests := []struct {
		issuer, internal string
		allowHTTP        bool
		address          string
		ok               bool
	}{
		{"https://idp.example.com", "", false, "https://token.example.net/x?y", true},
		{"https://idp.example.com", "", false, "http://idp.example.com/x", false},
		{"https://idp.example.com", "", false, "http://localhost/x", false}, // a stranger has no business on this machine
		{"http://localhost:9000", "", false, "http://127.0.0.1:9000/x", true},
		{"http://localhost:9000", "", false, "http://op.localhost/x", true},
		{"http://[::1]:9000", "", false, "http://[::1]:9000/x", true},
		{"http://localhost:9000", "", false, "http://localhost.example.com/x", false},
		{"http://idp:8080", "", true, "http://idp:8080/x", true},
		{"http://idp:8080", "", true, "ftp://idp:8080/x", false},
		{"https://idp.example.com", "http://localhost:1", false, "http://localhost:1/x", true},
		{"https://idp.example.com", "", false, "https://localhost/x", false},
		{"https://idp.example.com", "", false, "https://127.0.0.1:8443/x", false},
		{"https://idp.example.com", "", false, "https://[::ffff:127.0.0.1]/x", false},
		{"https://idp.example.com", "", false, "https://10.0.0.1/x", true}, // an internal provider may be spelled by its address
		{"https://idp.example.com", "", false, "https://169.254.169.254/x", false},
		{"https://idp.example.com", "", false, "https://[fe80::1%25eth0]/x", false},
		{"https://idp.example.com", "", false, "https://0.0.0.0/x", false},
		{"https://idp.example.com", "", false, "https://[::]/x", false},
		{"https://idp.example.com", "", false, "https://[::ffff:0.0.0.0]/x", false},
		{"http://localhost:9000", "", false, "https://169.254.169.254/x", false},
		{"http://idp:8080", "", true, "http://169.254.169.254/x", false},
		{"http://idp:8080", "", true, "http://localhost/x", false},
	}
	for _, test := range tests {
		a, err := newAddresses(Options{Issuer: test.issuer, InternalURL: test.internal, AllowHTTP: test.allowHTTP})
		if err != nil {
			t.Errorf("%s: %v", test.issuer, err)
			continue
		}
		if err := a.check(test.address); (err == nil) != test.ok {
			t.Errorf("%s from %s: %v", test.address, test.issuer, err)
		}
	}
}

func TestAddressesInsideAndOutside(t *testing.T) {
	a, err := newAddresses(Options{Issuer: "https://idp.example.com/realm", InternalURL: "http://idp:8080/", AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		"https://idp.example.com/token?a=b": "http://idp:8080/token?a=b",
		"https://IDP.example.com:443/token": "http://idp:8080/token",
		"https://other.example.com/token":   "https://other.example.com/token",
		"https://idp.example.com:444/token": "https://idp.example.com:444/token",
		"http://idp.example.com/token":      "http://idp.example.com/token",
		"http://idp:8080/token":             "http://idp:8080/token",
	} {
		if got := a.reach(from); got != want {
			t.Errorf("reach %s: %s", from, got)
		}
	}
	for from, want := range map[string]string{
		"http://idp:8080/authorize":         "https://idp.example.com/authorize",
		"https://idp.example.com/authorize": "https://idp.example.com/authorize",
		"http://idp/authorize":              "http://idp/authorize",
	} {
		if got := a.publish(from); got != want {
			t.Errorf("publish %s: %s", from, got)
		}
	}
}

// A provider whom browsers know by another name than we do.
func TestLoginThroughTheInternalURL(t *testing.T) {
	for name, published := range map[string]string{"publishes the public name": "https://idp.example.com", "publishes the internal name": ""} {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			o.issuer = "https://idp.example.com"
			if published == "" {
				o.metadata = func(m map[string]any) {
					for _, endpoint := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint"} {
						m[endpoint] = strings.Replace(m[endpoint].(string), o.issuer, o.server.URL, 1)
					}
				}
			}
			p := o.client(t, func(options *Options) { options.InternalURL = o.server.URL })
			person, err := o.login(t, p)
			if err != nil {
				t.Fatal(err)
			}
			if person.Issuer != "https://idp.example.com" {
				t.Errorf("issuer %s", person.Issuer)
			}
			authorization, _ := p.AuthorizationURL(t.Context(), NewRequest(callback))
			logout, _ := p.EndSessionURL(t.Context(), "", "", "")
			for _, address := range []string{authorization, logout} {
				if u, _ := url.Parse(address); u.Host != "idp.example.com" || u.Scheme != "https" {
					t.Errorf("browsers are sent to %s", address)
				}
			}
		})
	}
}

func TestProviderOverTLS(t *testing.T) {
	o := newOP(t, "ES256")
	tls := httptest.NewTLSServer(o)
	defer tls.Close()
	o.issuer = tls.URL
	if _, err := o.login(t, o.client(t, nil)); err == nil {
		t.Error("a certificate that nobody vouches for is accepted")
	}
	if _, err := o.login(t, o.client(t, func(options *Options) { options.CA = func() string { return string(certificate(tls)) } })); err != nil {
		t.Error(err)
	}
}

func TestInspectSaysHowLogoutsAreReported(t *testing.T) {
	for says, announced := range map[string][]string{
		"not announced": nil,
		"with sid":      {backChannel, backChannelSID, frontChannelSID},
		"without sid":   {backChannel, frontChannelSID},
		"front-channel": {backChannelSID, frontChannelSID},
	} {
		o := newOP(t, "ES256")
		o.metadata = func(m map[string]any) {
			m[backChannel], m[frontChannelSID] = "true", false
			for _, name := range announced {
				m[name] = true
			}
		}
		findings, err := o.client(t, nil).Inspect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(findings, func(f Finding) bool { return f.Subject == "logouts elsewhere" })
		if i < 0 || findings[i].Level == LevelFail || !strings.Contains(findings[i].Says, says) {
			t.Errorf("%v: %+v", announced, findings)
		}
	}
}

func TestInspect(t *testing.T) {
	tests := map[string]struct {
		change func(*op)
		wrong  []string // subjects
	}{
		"honest":           {func(o *op) {}, nil},
		"down":             {func(o *op) { o.server.Close() }, []string{"discovery"}},
		"another issuer":   {func(o *op) { o.metadata = set("issuer", "x") }, []string{"discovery"}},
		"no keys":          {func(o *op) { o.instead = handlers("/jwks", http.NotFound) }, []string{"keys"}},
		"keys do not suit": {func(o *op) { o.published = []map[string]any{newSigner("EdDSA", "k").jwk()} }, []string{"keys"}},
		"clock": {func(o *op) {
			o.instead = handlers("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", "Thu, 01 Jan 2026 00:00:00 GMT")
				respond(w, o.honestMetadata())
			})
		}, []string{"clock"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			test.change(o)
			findings, err := o.client(t, nil).Inspect(t.Context())
			if err != nil || len(findings) == 0 {
				t.Fatal(findings, err)
			}
			var wrong []string
			for _, f := range findings {
				if f.Says == "" || f.Level == LevelOK && f.Mend != "" || f.Level == LevelFail && f.Mend == "" || f.ID == "" {
					t.Errorf("%+v", f)
				}
				if name := regexp.MustCompile(`\b(ISSUER_URL|SCOPES)\b`).FindString(f.Mend); name != "" {
					t.Errorf("%s without its prefix: %s", name, f.Mend)
				}
				if f.Level == LevelFail {
					wrong = append(wrong, f.Subject)
				}
			}
			if strings.Join(wrong, ",") != strings.Join(test.wrong, ",") {
				t.Errorf("wrong are %v", wrong)
			}
		})
	}
}

// What is tried of a login goes the way that doorward itself has to the provider.
func TestInspectTriesLoginsThroughTheInternalURL(t *testing.T) {
	o := newOP(t, "ES256")
	o.issuer = "https://idp.example.com"
	o.instead = handlers("/authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("redirect_uri") != callback || q.Get("prompt") != "none" || q.Has("response_mode") {
			http.Error(w, "not for this one", http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, callback+"?error=login_required&state="+q.Get("state"), http.StatusSeeOther)
	})
	p := o.client(t, func(options *Options) { options.InternalURL, options.ResponseMode = o.server.URL, "form_post" })
	findings, err := p.Inspect(t.Context(), callback)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(findings, func(f Finding) bool {
		return f.ID == "provider.redirect-uri" && f.Level == LevelOK && strings.Contains(f.Says, "and to no other")
	}) {
		t.Errorf("%+v", findings)
	}
}

// What many providers need for groups is named where it is offered, and only while it is not asked for.
func TestInspectNamesTheScopeForGroups(t *testing.T) {
	for _, test := range []struct{ offered, asked, named bool }{{true, false, true}, {true, true, false}, {false, false, false}} {
		o := newOP(t, "ES256")
		offered := []string{"openid", "profile"}
		if test.offered {
			offered = append(offered, "groups")
		}
		o.metadata = set("scopes_supported", offered)
		findings, err := o.client(t, func(o *Options) {
			if test.asked {
				o.Scopes = append(o.Scopes, "groups")
			}
		}).Inspect(t.Context())
		named := slices.ContainsFunc(findings, func(f Finding) bool {
			return f.Level == LevelNote && strings.Contains(f.Mend, "DOORWARD_SCOPES if rules ask for groups")
		})
		if err != nil || named != test.named {
			t.Errorf("%+v: %v, %+v", test, err, findings)
		}
	}
}

// A provider with which TLS fails can be reached: another setting is to blame than the network.
func TestInspectOfAProviderWithWhichTLSFails(t *testing.T) {
	o := newOP(t, "ES256")
	unknown := httptest.NewUnstartedServer(o)
	unknown.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that fails on purpose
	unknown.StartTLS()
	defer unknown.Close()
	for issuer, mend := range map[string]string{
		strings.Replace(o.issuer, "http:", "https:", 1): "DOORWARD_ISSUER_URL",
		unknown.URL: "DOORWARD_PROVIDER_CA",
	} {
		o.issuer = issuer
		findings, err := o.client(t, nil).Inspect(t.Context())
		if err != nil || len(findings) != 1 || findings[0].Level != LevelFail || !strings.Contains(findings[0].Mend, mend) {
			t.Errorf("%s: %v, %+v", issuer, err, findings)
		}
	}
}

// What the certificate's judge says may hold quotation marks, after which an error is cut; what kind of error it is, is known all the same.
func TestAnErrorThatIsCutKeepsItsKind(t *testing.T) {
	refused := &tls.CertificateVerificationError{Err: errors.New(`unknown authority (possibly because of "token")`)}
	err := unquoted(refused)
	if _, kept := errors.AsType[*tls.CertificateVerificationError](err); !kept || strings.Contains(err.Error(), "token") {
		t.Errorf("%T, %v", err, err)
	}
}

// Who answers, but not with metadata, is reached: the issuer is to blame.
func TestInspectOfAnIssuerThatIsNotThere(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusMovedPermanently, http.StatusForbidden} {
		o := newOP(t, "ES256")
		o.instead = handlers("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		findings, err := o.client(t, nil).Inspect(t.Context())
		if err != nil || len(findings) != 1 || !strings.Contains(findings[0].Mend, "DOORWARD_ISSUER_URL") {
			t.Errorf("%d: %v, %+v", status, err, findings)
		}
	}
}

// Entra ID's common and organizations name a tenant of which nobody is. To write what they say would not help.
func TestInspectOfAnIssuerForAllTenants(t *testing.T) {
	o := newOP(t, "ES256")
	o.metadata = set("issuer", "https://login.example.com/{tenantid}/v2.0")
	findings, err := o.client(t, nil).Inspect(t.Context())
	if err != nil || len(findings) != 1 || !strings.Contains(findings[0].Mend, "tenant's identifier") {
		t.Errorf("%v, %+v", err, findings)
	}
}

// An endpoint that was asked for by a setting is missed; else nobody speaks of it.
func TestInspectIntrospection(t *testing.T) {
	for _, test := range []struct{ asked, there, found, ok bool }{
		{false, false, false, true}, {false, true, false, true}, {true, true, true, true}, {true, false, true, false},
	} {
		o, p := introspecting(t, nil)
		p.options.IntrospectTokens = test.asked
		if !test.there {
			o.metadata = nil
		}
		findings, err := p.Inspect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found, ok := false, true
		for _, f := range findings {
			if f.Subject == "introspection" {
				found, ok = true, f.Level == LevelOK
				if (f.Level == LevelOK) == strings.Contains(f.Mend, "DOORWARD_INTROSPECT_TOKENS") {
					t.Errorf("%+v", f)
				}
			}
		}
		if found != test.found || ok != test.ok {
			t.Errorf("asked %v, there %v: found %v, ok %v", test.asked, test.there, found, ok)
		}
	}
}
