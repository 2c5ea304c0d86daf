package providertest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"doorward/proxy/providertest"
)

// newKey is a private key and what the provider knows of it.
func newKey() (jose.JSONWebKey, providertest.Client) {
	private, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	key := jose.JSONWebKey{Key: private, KeyID: "k1", Algorithm: "ES256"}
	return key, providertest.Client{Auth: "private_key_jwt", Key: key.Public()}
}

// sign makes an assertion that is right, but for the changes; nil takes a claim out.
func sign(t *testing.T, p *providertest.Provider, key jose.JSONWebKey, changes map[string]any) string {
	t.Helper()
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": providertest.ClientID, "sub": providertest.ClientID, "aud": p.Issuer, "iat": now, "exp": now + 60, "jti": rand.Text(),
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	payload, _ := json.Marshal(claims)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// with is a token request with these fields and no header.
func with(fields map[string]string) func(url.Values, *http.Request) {
	return func(form url.Values, r *http.Request) {
		r.Header.Del("Authorization")
		for name, value := range fields {
			form.Set(name, value)
		}
	}
}

func asserted(assertion string) map[string]string {
	return map[string]string{
		"client_id": providertest.ClientID, "client_assertion": assertion,
		"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
	}
}

func TestEachMethodIsAccepted(t *testing.T) {
	key, signs := newKey()
	p := providertest.New(t)
	for name, test := range map[string]struct {
		client providertest.Client
		change func(url.Values, *http.Request)
	}{
		"basic":  {providertest.Client{}, nil},
		"post":   {providertest.Client{Auth: "client_secret_post", Secret: "s"}, with(map[string]string{"client_id": providertest.ClientID, "client_secret": "s"})},
		"public": {providertest.Client{Auth: "none"}, with(map[string]string{"client_id": providertest.ClientID})},
		"key":    {signs, with(asserted(sign(t, p, key, nil)))},
	} {
		p.Register(test.client)
		if status, members := exchange(t, p, authorize(t, p).Get("code"), test.change); status != http.StatusOK {
			t.Errorf("%s is answered %d %v", name, status, members)
		}
	}
}

func TestAssertionsAreJudged(t *testing.T) {
	key, known := newKey()
	other, _ := newKey()
	p := providertest.New(t)
	p.Register(known)
	now := time.Now().Unix()
	nameless, used := key, sign(t, p, key, nil)
	nameless.KeyID = ""
	exchange(t, p, authorize(t, p).Get("code"), with(asserted(used)))

	for name, fields := range map[string]map[string]string{
		"aud in an array":       asserted(sign(t, p, key, map[string]any{"aud": []string{p.Issuer}})),
		"aud the endpoint":      asserted(sign(t, p, key, map[string]any{"aud": p.URL(providertest.Token)})),
		"aud without its slash": asserted(sign(t, p, key, map[string]any{"aud": strings.TrimSuffix(p.Issuer, "/")})),
		"no aud":                asserted(sign(t, p, key, map[string]any{"aud": nil})),
		"another iss":           asserted(sign(t, p, key, map[string]any{"iss": "x"})),
		"another sub":           asserted(sign(t, p, key, map[string]any{"sub": "x"})),
		"no exp":                asserted(sign(t, p, key, map[string]any{"exp": nil})),
		"exp too far":           asserted(sign(t, p, key, map[string]any{"exp": now + 300})),
		"exp past":              asserted(sign(t, p, key, map[string]any{"exp": now - 1})),
		"no iat":                asserted(sign(t, p, key, map[string]any{"iat": nil})),
		"old iat":               asserted(sign(t, p, key, map[string]any{"iat": now - 60})),
		"no jti":                asserted(sign(t, p, key, map[string]any{"jti": nil})),
		"used before":           asserted(used),
		"another key":           asserted(sign(t, p, other, nil)),
		"a key without name":    asserted(sign(t, p, nameless, nil)),
		"no assertion":          {"client_id": providertest.ClientID},
		"no client_id":          {"client_id": "", "client_assertion": sign(t, p, key, nil), "client_assertion_type": asserted("")["client_assertion_type"]},
		"another type":          {"client_id": providertest.ClientID, "client_assertion": sign(t, p, key, nil), "client_assertion_type": "x"},
		"a secret beside it":    merged(asserted(sign(t, p, key, nil)), "client_secret", providertest.ClientSecret),
	} {
		t.Run(name, func(t *testing.T) {
			if status, _ := exchange(t, p, authorize(t, p).Get("code"), with(fields)); status != http.StatusUnauthorized {
				t.Errorf("it is answered %d", status)
			}
		})
	}
}

func merged(fields map[string]string, name, value string) map[string]string {
	fields[name] = value
	return fields
}

// push sends a pushed authorization request.
func push(t *testing.T, p *providertest.Provider, form url.Values) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL(providertest.Push), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(url.QueryEscape(providertest.ClientID), url.QueryEscape(providertest.ClientSecret))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return decoded(t, r)
}

// open goes to the provider as a browser does and gives the answer's status.
func open(t *testing.T, p *providertest.Provider, q url.Values) int {
	t.Helper()
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := browser.Get(p.URL(providertest.Authorization) + "?" + q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	return answer.StatusCode
}

func TestPushedRequestIsGoodForOnce(t *testing.T) {
	p := providertest.New(t, providertest.Mutation{PAR: "required"})
	status, members := push(t, p, authorization())
	if status != http.StatusCreated {
		t.Fatalf("it is answered %d %v", status, members)
	}
	reference := url.Values{"client_id": {providertest.ClientID}, "request_uri": {members["request_uri"].(string)}}
	for i, want := range []int{http.StatusFound, http.StatusBadRequest} {
		if got := open(t, p, reference); got != want {
			t.Errorf("visit %d is answered %d", i+1, got)
		}
	}
}

// What no client may do fails the test, without any test's asking for it.
func TestProviderJudgesClients(t *testing.T) {
	for name, misbehave := range map[string]func(t *testing.T, p *providertest.Provider){
		"a plain request where it must be pushed": func(t *testing.T, p *providertest.Provider) { open(t, p, authorization()) },
		"more than the reference": func(t *testing.T, p *providertest.Provider) {
			_, members := push(t, p, authorization())
			open(t, p, url.Values{"client_id": {providertest.ClientID}, "request_uri": {members["request_uri"].(string)}, "scope": {"openid"}})
		},
		"a reference inside the request": func(t *testing.T, p *providertest.Provider) {
			form := authorization()
			form.Set("request_uri", "urn:x")
			push(t, p, form)
		},
		"a request that is wrong": func(t *testing.T, p *providertest.Provider) {
			form := authorization()
			form.Del("nonce")
			push(t, p, form)
		},
		"a second attempt": func(t *testing.T, p *providertest.Provider) {
			p.Register(providertest.Client{Secret: "another"})
			push(t, p, authorization())
			p.Register(providertest.Client{})
			push(t, p, authorization())
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := &judge{TB: t, faults: make(chan string, 4)}
			misbehave(t, providertest.New(j, providertest.Mutation{PAR: "required"}))
			if len(j.faults) == 0 {
				t.Error("the test goes on as if nothing had happened")
			}
		})
	}
}

func TestPushingThatIsNotOffered(t *testing.T) {
	j := &judge{TB: t, faults: make(chan string, 4)}
	p := providertest.New(j)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL(providertest.Push), nil)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusNotFound || len(j.faults) == 0 {
		t.Errorf("it is answered %d", answer.StatusCode)
	}
}
