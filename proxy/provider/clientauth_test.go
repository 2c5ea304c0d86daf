package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// signsWith makes the client prove itself with a key.
func signsWith(key crypto.Signer, algorithm, kid string) func(*Options) {
	return func(o *Options) {
		o.ClientAuth, o.ClientSecret = privateKeyJWT, nil
		o.ClientKey = func() *jose.JSONWebKey { return &jose.JSONWebKey{Key: key, Algorithm: algorithm, KeyID: kid} }
	}
}

func newECKey() *ecdsa.PrivateKey {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return key
}

// assertionOf is a client assertion taken apart; its signature must be the key's.
func assertionOf(t *testing.T, compact string, public crypto.PublicKey) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		t.Fatalf("the assertion has %d parts", len(parts))
	}
	for i, to := range []*map[string]any{&header, &claims} {
		text, _ := base64.RawURLEncoding.DecodeString(parts[i])
		if err := json.Unmarshal(text, to); err != nil {
			t.Fatal(err)
		}
	}
	signed, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(header["alg"].(string))})
	if err == nil {
		_, err = signed.Verify(public)
	}
	if err != nil {
		t.Fatal(err)
	}
	return header, claims
}

// RFC 7523 3, OIDC Core 9, FAPI 2.0 5.3.3.1: these claims and no others, the audience as a plain string, in the header what must be.
func TestAssertionIsExactlyAsTheStandardSays(t *testing.T) {
	_, edwards, _ := ed25519.GenerateKey(rand.Reader)
	tests := map[string]struct {
		key            crypto.Signer
		algorithm, kid string
		header         map[string]any
	}{
		"RSA":                {testRSA(), "", "", map[string]any{"alg": "RS256"}},
		"RSA, PS256":         {testRSA(), "PS256", "", map[string]any{"alg": "PS256"}},
		"P-256":              {newECKey(), "ES256", "", map[string]any{"alg": "ES256"}},
		"P-256 with a name":  {newECKey(), "ES256", "k1", map[string]any{"alg": "ES256", "kid": "k1"}},
		"Ed25519":            {edwards, "EdDSA", "", map[string]any{"alg": "EdDSA"}},
		"RSA that is called": {testRSA(), "", "k2", map[string]any{"alg": "RS256", "kid": "k2"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := &op{issuer: "https://idp.example.com/"}
			o.rotate("ES256", "key-1")
			p := o.client(t, signsWith(test.key, test.algorithm, test.kid))
			synctest.Test(t, func(t *testing.T) {
				if _, err := o.login(t, p); err != nil {
					t.Fatal(err)
				}
				now := float64(time.Now().Unix())
				header, claims := assertionOf(t, o.form.Get("client_assertion"), test.key.Public())
				if !reflect.DeepEqual(header, test.header) {
					t.Errorf("the header is %v", header)
				}
				if id, _ := claims["jti"].(string); len(id) != 43 {
					t.Errorf("jti is %v", claims["jti"])
				}
				delete(claims, "jti")
				want := map[string]any{"iss": testClient, "sub": testClient, "aud": "https://idp.example.com/", "iat": now, "exp": now + 60}
				if !reflect.DeepEqual(claims, want) {
					t.Errorf("the claims are %v, not %v", claims, want)
				}
			})
			if got := o.form.Get("client_assertion_type"); got != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
				t.Errorf("client_assertion_type is %q", got)
			}
		})
	}
}

// An RSA key that does not say what it is for signs with what the provider takes.
func TestAlgorithmOfAnAssertion(t *testing.T) {
	for _, test := range []struct {
		key      string
		provider []string
		want     jose.SignatureAlgorithm
	}{
		{"", nil, jose.RS256},
		{"", []string{"RS256", "PS256"}, jose.RS256},
		{"", []string{"ES256", "PS256"}, jose.PS256},
		{"", []string{"ES256"}, jose.RS256},
		{"", []string{}, jose.RS256},
		{"RS256", []string{"PS256"}, jose.RS256},
		{"PS256", []string{"RS256"}, jose.PS256},
		{"ES256", []string{"RS256"}, jose.ES256},
	} {
		if got := assertionAlgorithm(&jose.JSONWebKey{Algorithm: test.key}, &metadata{assertionAlgorithms: test.provider}); got != test.want {
			t.Errorf("a key for %q at a provider for %v signs with %s", test.key, test.provider, got)
		}
	}
}

func TestAssertionsAreNeverTheSame(t *testing.T) {
	o := newOP(t, "ES256")
	p := o.client(t, signsWith(newECKey(), "ES256", ""))
	seen := map[any]bool{}
	for range 50 {
		compact, err := p.newAssertion(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[1])
		var claims assertion
		json.Unmarshal(payload, &claims)
		seen[claims.ID] = true
	}
	if len(seen) != 50 {
		t.Errorf("50 assertions have %d identifiers", len(seen))
	}
}

// methods are all ways in which the client can prove itself, with what the token request then holds.
func methods() map[string]struct {
	options func(*Options)
	fields  []string
	basic   bool
} {
	return map[string]struct {
		options func(*Options)
		fields  []string
		basic   bool
	}{
		clientSecretBasic: {func(*Options) {}, nil, true},
		clientSecretPost:  {func(o *Options) { o.ClientAuth = clientSecretPost }, []string{"client_id", "client_secret"}, false},
		privateKeyJWT:     {signsWith(newECKey(), "ES256", ""), []string{"client_assertion", "client_assertion_type", "client_id"}, false},
		publicClient:      {func(o *Options) { o.ClientAuth, o.ClientSecret = publicClient, nil }, []string{"client_id"}, false},
	}
}

func TestEachMethodSendsItsOwnAlone(t *testing.T) {
	for name, method := range methods() {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			p := o.client(t, func(options *Options) { method.options(options); options.NeededClaims = nil })
			if _, err := o.login(t, p); err != nil {
				t.Fatal(err)
			}
			want := slices.Sorted(slices.Values(append(method.fields, "code", "code_verifier", "grant_type", "redirect_uri")))
			if got := slices.Sorted(maps.Keys(o.form)); !slices.Equal(got, want) {
				t.Errorf("the form has %v, not %v", got, want)
			}
			if (o.auth != "") != method.basic {
				t.Errorf("Authorization is %.6q", o.auth)
			}
			if id := o.form.Get("client_id"); id != "" && id != testClient {
				t.Errorf("client_id is %q", id)
			}
			if secret := o.form.Get("client_secret"); secret != "" && secret != testSecret {
				t.Error("client_secret is another")
			}
		})
	}
}

// Whatever the answer, there is one request.
func TestRefusedClientTriesNothingElse(t *testing.T) {
	for name, method := range methods() {
		for _, status := range []int{400, 401, 403, 500} {
			o := newOP(t, "ES256")
			o.instead = handlers("/token", says(status, "application/json", `{"error":"invalid_client"}`))
			_, err := o.login(t, o.client(t, method.options))
			o.wantKind(t, err, KindTokenRequestFailed)
			if n := o.count("POST /token"); n != 1 {
				t.Errorf("%s: after %d the code was sent %d times", name, status, n)
			}
		}
	}
}

// A secret that changes is used from the next request on, and so is a key.
func TestCredentialsAreAskedForEachTime(t *testing.T) {
	o := newOP(t, "ES256")
	secret := "first"
	p := o.client(t, func(options *Options) {
		options.ClientAuth, options.ClientSecret = clientSecretPost, func() string { return secret }
	})
	for _, next := range []string{"second", "third"} {
		secret = next
		if _, err := o.login(t, p); err != nil {
			t.Fatal(err)
		}
		if got := o.form.Get("client_secret"); got != next {
			t.Errorf("sent was %q", got)
		}
	}

	key := newECKey()
	p = o.client(t, func(options *Options) {
		signsWith(key, "ES256", "")(options)
		options.ClientKey = func() *jose.JSONWebKey { return &jose.JSONWebKey{Key: key, Algorithm: "ES256"} }
	})
	key = newECKey()
	if _, err := o.login(t, p); err != nil {
		t.Fatal(err)
	}
	assertionOf(t, o.form.Get("client_assertion"), key.Public())
}

// Who asks keeps the form as it was: what proves the client is added to a copy.
func TestAskLeavesTheFormAlone(t *testing.T) {
	for name, method := range methods() {
		o := newOP(t, "ES256")
		o.instead = handlers("/x", says(200, "application/json", "{}"))
		form := url.Values{"token": {"t"}}
		if _, err := o.client(t, method.options).ask(t.Context(), "x", o.issuer+"/x", form); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(form, url.Values{"token": {"t"}}) {
			t.Errorf("%s: the form became %v", name, slices.Sorted(maps.Keys(form)))
		}
	}
}

// A key that cannot sign is a failed request, not a panic, and nothing is sent.
func TestKeyThatCannotSign(t *testing.T) {
	o := newOP(t, "ES256")
	_, err := o.login(t, o.client(t, signsWith(newECKey(), "RS256", "")))
	o.wantKind(t, err, KindTokenRequestFailed)
	if n := o.count("POST /token"); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestInspectOfTheClient(t *testing.T) {
	const methodsAnnounced, algorithms = "token_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg_values_supported"
	par := func(demanded bool) func(map[string]any) {
		return func(m map[string]any) {
			m["pushed_authorization_request_endpoint"] = m["token_endpoint"].(string) + "/par"
			m["require_pushed_authorization_requests"] = demanded
		}
	}
	tests := map[string]struct {
		options  func(*Options)
		metadata func(map[string]any)
		wrong    string // subject
		says     string
	}{
		"nothing announced":               {nil, nil, "", "client_secret_basic is announced"},
		"nothing announced, and we post":  {func(o *Options) { o.ClientAuth = clientSecretPost }, nil, "client authentication", "announced are client_secret_basic"},
		"announced":                       {func(o *Options) { o.ClientAuth = clientSecretPost }, set(methodsAnnounced, []string{"client_secret_post"}), "", "client_secret_post is announced"},
		"basic is not announced":          {nil, set(methodsAnnounced, []string{"private_key_jwt"}), "client authentication", "announced are private_key_jwt"},
		"key that suits":                  {signsWith(newECKey(), "ES256", ""), both(set(methodsAnnounced, []string{"private_key_jwt"}), set(algorithms, []string{"ES256"})), "", "signs with ES256, which is announced"},
		"key that may suit":               {signsWith(newECKey(), "ES256", ""), set(methodsAnnounced, []string{"private_key_jwt"}), "", "does not say what it takes"},
		"key that does not":               {signsWith(newECKey(), "ES256", ""), both(set(methodsAnnounced, []string{"private_key_jwt"}), set(algorithms, []string{"RS256"})), "client key", "DOORWARD_CLIENT_KEY: RS256"},
		"pushing neither asked nor given": {nil, nil, "", "not offered"},
		"pushing demanded":                {nil, par(true), "", "demanded, and so made"},
		"pushing offered":                 {nil, par(false), "", "DOORWARD_PAR=always"},
		"pushing asked for":               {func(o *Options) { o.AlwaysPush = true }, par(false), "", "offered, and always made"},
		"pushing asked for in vain":       {func(o *Options) { o.AlwaysPush = true }, nil, "pushed requests", "DOORWARD_PAR=auto"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			o.metadata = test.metadata
			findings, err := o.client(t, test.options).Inspect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var wrong, told []string
			for _, f := range findings {
				if told = append(told, f.Says, f.Mend); f.Level == LevelFail {
					wrong = append(wrong, f.Subject)
				}
				if f.Level == LevelOK && f.Mend != "" || f.Level == LevelFail && f.Mend == "" || f.ID == "" {
					t.Errorf("%+v", f)
				}
			}
			if strings.Join(wrong, ",") != test.wrong || !strings.Contains(strings.Join(told, "\n"), test.says) {
				t.Errorf("wrong are %v, said is %q", wrong, told)
			}
		})
	}
}

func both(changes ...func(map[string]any)) func(map[string]any) {
	return func(m map[string]any) {
		for _, change := range changes {
			change(m)
		}
	}
}
