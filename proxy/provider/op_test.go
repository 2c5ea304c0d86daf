package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	testClient = "the client"
	testSecret = "s+cret%:/ü"
	testCode   = "the-code-7c1f"
	testPerson = "alice"
	callback   = "https://app.example.com/oauth2/callback"
)

// op is a small provider whose every answer a test can change.
type op struct {
	server *httptest.Server
	issuer string

	mu       sync.Mutex
	requests []string // "POST /token", in order
	form     url.Values
	auth     string // Authorization of the latest token or userinfo request

	signer    signer           // signs all tokens
	published []map[string]any // the key set

	// What a test changes. Nil: honest.
	metadata      func(map[string]any)
	idHeader      func(map[string]any)
	idClaims      func(map[string]any)
	idToken       func(string) string
	accessHeader  func(map[string]any)
	accessClaims  func(map[string]any)
	accessToken   func(string) string
	tokenResponse func(map[string]any)
	userinfo      func(map[string]any)
	instead       map[string]http.HandlerFunc // path → another handler

	nonce string // of the login under way
}

// newOP starts a provider that signs with an algorithm.
func newOP(t testing.TB, algorithm string) *op {
	t.Helper()
	o := &op{instead: map[string]http.HandlerFunc{}}
	o.server = httptest.NewServer(o)
	t.Cleanup(o.server.Close)
	o.issuer = o.server.URL
	o.rotate(algorithm, "key-1")
	return o
}

// newLocalOP makes one that is asked without a network, so that time may stand still.
func newLocalOP() *op {
	o := &op{issuer: "https://idp.example.com", instead: map[string]http.HandlerFunc{}}
	o.rotate("ES256", "key-1")
	return o
}

// rotate replaces the key and what is published.
func (o *op) rotate(algorithm, kid string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.signer = newSigner(algorithm, kid)
	o.published = []map[string]any{o.signer.jwk()}
}

func (o *op) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests = append(o.requests, r.Method+" "+r.URL.Path)
	if h := o.instead[r.URL.Path]; h != nil {
		h(w, r)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		respond(w, changed(o.honestMetadata(), o.metadata))
	case "/jwks":
		respond(w, map[string]any{"keys": o.published})
	case "/token":
		r.ParseForm()
		o.form, o.auth = r.PostForm, r.Header.Get("Authorization")
		respond(w, o.tokens())
	case "/userinfo":
		o.auth = r.Header.Get("Authorization")
		respond(w, changed(map[string]any{"sub": testPerson, "groups": []string{"Dev"}}, o.userinfo))
	default:
		http.NotFound(w, r)
	}
}

func (o *op) honestMetadata() map[string]any {
	base := strings.TrimSuffix(o.issuer, "/")
	return map[string]any{
		"issuer":                                o.issuer,
		"authorization_endpoint":                base + "/authorize?tenant=one",
		"token_endpoint":                        base + "/token",
		"jwks_uri":                              base + "/jwks",
		"userinfo_endpoint":                     base + "/userinfo",
		"end_session_endpoint":                  base + "/logout",
		"id_token_signing_alg_values_supported": []string{"none", "HS256", o.signer.algorithm},
		"code_challenge_methods_supported":      []string{"plain", "S256"},
		"scopes_supported":                      []string{"openid", "profile"},
	}
}

func (o *op) tokens() map[string]any {
	now := time.Now().Unix()
	header := map[string]any{"alg": o.signer.algorithm, "kid": o.signer.kid}
	access := o.signer.sign(
		changed(map[string]any{"alg": o.signer.algorithm, "kid": o.signer.kid, "typ": "at+jwt"}, o.accessHeader),
		changed(map[string]any{"iss": o.issuer, "sub": testPerson, "aud": "api", "iat": now, "exp": now + 600, "scope": "openid"}, o.accessClaims))
	if o.accessToken != nil {
		access = o.accessToken(access)
	}
	id := o.signer.sign(changed(header, o.idHeader), changed(map[string]any{
		"iss": o.issuer, "sub": testPerson, "aud": testClient, "iat": now, "exp": now + 300, "nonce": o.nonce,
		"at_hash": halfHash(o.signer.algorithm, access), "sid": "session-1", "acr": "mfa", "auth_time": now - 5,
	}, o.idClaims))
	if o.idToken != nil {
		id = o.idToken(id)
	}
	return changed(map[string]any{"access_token": access, "token_type": "bEARER", "id_token": id, "expires_in": 600}, o.tokenResponse)
}

// seen lists the requests that arrived.
func (o *op) seen() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.requests)
}

func (o *op) count(request string) (n int) {
	for _, r := range o.seen() {
		if r == request {
			n++
		}
	}
	return n
}

// client makes our end, with an option changed.
func (o *op) client(t testing.TB, change func(*Options)) *Provider {
	t.Helper()
	options := Options{
		Issuer: o.issuer, ClientID: testClient, ClientSecret: func() string { return testSecret },
		Scopes: []string{"openid", "profile"}, NeededClaims: needs("groups"),
	}
	if change != nil {
		change(&options)
	}
	p, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	if o.server == nil {
		p.client.transport = inProcess{o}
	}
	return p
}

// login plays the browser: it goes to the provider and comes back with a code.
func (o *op) login(t testing.TB, p *Provider) (*Person, error) {
	t.Helper()
	r := NewRequest(callback)
	if _, err := p.AuthorizationURL(t.Context(), r); err != nil {
		return nil, err
	}
	o.mu.Lock()
	o.nonce = r.Nonce
	o.mu.Unlock()
	return p.Complete(t.Context(), r, Answer{Code: testCode, State: r.State})
}

// wantKind insists that an error is of a kind and gives no secret away.
func (o *op) wantKind(t *testing.T, err error, kind Kind) {
	t.Helper()
	known, ok := errors.AsType[*Error](err)
	if !ok || known.Kind != kind {
		t.Fatalf("got %v, want %v", err, kind)
	}
	for _, secret := range []string{testCode, testSecret, o.nonce, "eyJ"} {
		if secret != "" && strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds a secret: %v", err)
		}
	}
	if len(err.Error()) > 2000 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
}

func respond(w http.ResponseWriter, members map[string]any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	json.NewEncoder(w).Encode(members)
}

// says is a handler with a fixed answer.
func says(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		w.Write([]byte(body))
	}
}

func changed(members map[string]any, change func(map[string]any)) map[string]any {
	if change != nil {
		change(members)
	}
	return members
}

// set changes one member; without removes one.
func set(name string, value any) func(map[string]any) {
	return func(m map[string]any) { m[name] = value }
}

func without(name string) func(map[string]any) {
	return func(m map[string]any) { delete(m, name) }
}

// in sets a NumericDate relative to now.
func in(name string, d time.Duration) func(map[string]any) {
	return func(m map[string]any) { m[name] = time.Now().Add(d).Unix() }
}

// signer is a private key of the provider. It signs whatever header it is given.
type signer struct {
	algorithm, kid string
	private        crypto.Signer
	secret         []byte // for HS256
}

// testRSA is one key for all tests: to make one takes long.
var testRSA = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newSigner(algorithm, kid string) signer {
	s := signer{algorithm: algorithm, kid: kid}
	switch keyTypeOf(algorithm) {
	case "RSA":
		s.private = testRSA()
	case "Ed25519":
		_, s.private, _ = ed25519.GenerateKey(rand.Reader)
	default:
		curve := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}[algorithm]
		s.private, _ = ecdsa.GenerateKey(curve, rand.Reader)
	}
	return s
}

// jwk is the public key as a provider publishes it.
func (s signer) jwk() map[string]any {
	m := map[string]any{"kid": s.kid, "alg": s.algorithm, "use": "sig"}
	switch public := s.private.Public().(type) {
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", b64(public.N.Bytes()), b64(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point, _ := public.Bytes()
		half := len(point[1:]) / 2
		m["kty"], m["crv"] = "EC", public.Params().Name
		m["x"], m["y"] = b64(point[1:1+half]), b64(point[1+half:])
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", b64(public)
	}
	return m
}

// sign makes a JWS with the signer's key, whatever the header says.
func (s signer) sign(header, claims map[string]any) string {
	h, _ := json.Marshal(header)
	c, _ := json.Marshal(claims)
	return s.signRaw(h, c)
}

func (s signer) signRaw(header, payload []byte) string {
	input := b64(header) + "." + b64(payload)
	return input + "." + b64(s.signature([]byte(input)))
}

func (s signer) signature(input []byte) []byte {
	if s.secret != nil {
		mac := hmac.New(sha256.New, s.secret)
		mac.Write(input)
		return mac.Sum(nil)
	}
	if s.algorithm == "EdDSA" {
		signature, _ := s.private.Sign(rand.Reader, input, crypto.Hash(0))
		return signature
	}
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[s.algorithm[2:]]
	h := hash.New()
	h.Write(input)
	switch s.algorithm[:2] {
	case "PS":
		signature, _ := s.private.Sign(rand.Reader, h.Sum(nil), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash})
		return signature
	case "ES":
		key := s.private.(*ecdsa.PrivateKey)
		r, v, _ := ecdsa.Sign(rand.Reader, key, h.Sum(nil))
		size := (key.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), v.FillBytes(make([]byte, size))...)
	}
	signature, _ := s.private.Sign(rand.Reader, h.Sum(nil), hash)
	return signature
}

// resign takes a token's payload apart from its signature and signs another header or payload.
func (s signer) resign(raw string, change func(header, payload []byte) (h, p []byte)) string {
	parts := strings.Split(raw, ".")
	header, _ := base64.RawURLEncoding.DecodeString(parts[0])
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	return s.signRaw(change(header, payload))
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func unb64(text string) []byte {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return data
}

// inProcess is a transport that calls a handler without any network, so that time can be synctest's.
type inProcess struct{ handler http.Handler }

func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	rec := httptest.NewRecorder()
	t.handler.ServeHTTP(rec, r)
	return rec.Result(), nil
}

// hangs is a transport that answers nothing.
type hangs struct{}

func (hangs) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, fmt.Errorf("hung: %w", r.Context().Err())
}

// needs is NeededClaims that never change.
func needs(claims ...string) func() []string { return func() []string { return claims } }
