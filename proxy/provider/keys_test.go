package provider

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func parseOne(t testing.TB, jwk map[string]any) error {
	t.Helper()
	raw, err := json.Marshal(jwk)
	if err != nil {
		t.Fatal(err)
	}
	_, err = parseKey(raw)
	return err
}

func TestKeysThatArePassedOver(t *testing.T) {
	modulus := func(n *big.Int) func(map[string]any) { return set("n", b64(n.Bytes())) }
	bits := func(n uint) *big.Int { return new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), n-1), big.NewInt(1)) }
	tests := map[string]struct {
		algorithm string
		change    func(map[string]any)
	}{
		"RSA of 1024 bits":         {"RS256", modulus(bits(1024))},
		"RSA of 2047 bits":         {"RS256", modulus(bits(2047))},
		"RSA of 16384 bits":        {"RS256", modulus(bits(16384))},
		"RSA even":                 {"RS256", modulus(new(big.Int).Lsh(big.NewInt(1), 2047))},
		"e is 1":                   {"RS256", set("e", "AQ")},
		"e is 2":                   {"RS256", set("e", "Ag")},
		"e is even":                {"RS256", set("e", "AQAA")},
		"e is huge":                {"RS256", set("e", b64(bits(64).Bytes()))},
		"e missing":                {"RS256", without("e")},
		"n not base64":             {"RS256", set("n", "+/+/")},
		"n a number":               {"RS256", set("n", 5)},
		"alg of another type":      {"RS256", set("alg", "ES256")},
		"alg unknown":              {"RS256", set("alg", "RSA")},
		"alg for encryption":       {"RS256", set("alg", "RSA-OAEP")},
		"alg a number":             {"RS256", set("alg", 256)},
		"use for encryption":       {"RS256", set("use", "enc")},
		"use null":                 {"RS256", set("use", nil)},
		"key_ops for encryption":   {"RS256", set("key_ops", []string{"encrypt"})},
		"key_ops a string":         {"RS256", set("key_ops", "verify")},
		"kid a number":             {"RS256", set("kid", 1)},
		"EC point not on curve":    {"ES256", set("x", b64(make([]byte, 32)))},
		"EC coordinate too short":  {"ES256", set("x", b64(make([]byte, 31)))},
		"EC curve of another size": {"ES256", set("crv", "P-384")},
		"EC on secp256k1":          {"ES256", set("crv", "secp256k1")},
		"Ed448":                    {"EdDSA", set("crv", "Ed448")},
		"X25519":                   {"EdDSA", set("crv", "X25519")},
		"Ed25519 too short":        {"EdDSA", set("x", "AAAA")},
		"symmetric":                {"RS256", set("kty", "oct")},
		"kty missing":              {"RS256", without("kty")},
		"Ed25519 identity":         {"EdDSA", set("x", b64(append([]byte{1}, make([]byte, 31)...)))},
		"Ed25519 of order 4":       {"EdDSA", set("x", b64(make([]byte, 32)))},
		"RSA with its private key": {"RS256", set("d", "AQAB")},
		"EC with its private key":  {"ES256", set("d", "AQAB")},
		"Ed25519 with its private": {"EdDSA", set("d", "AQAB")},
		"private key null":         {"EdDSA", set("d", nil)},
		"kid in two spellings":     {"RS256", set("KID", "k")},
		"N beside n":               {"RS256", set("N", "AQAB")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			jwk := newSigner(test.algorithm, "k").jwk()
			if err := parseOne(t, jwk); err != nil {
				t.Fatal(err)
			}
			test.change(jwk)
			if parseOne(t, jwk) == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestKeySetsThatAreRefused(t *testing.T) {
	for name, body := range map[string]string{
		"empty": ``, "null": `null`, "array": `[]`, "no keys": `{}`, "keys null": `{"keys":null}`, "keys an object": `{"keys":{}}`,
		"no key": `{"keys":[]}`, "twice": `{"keys":[],"keys":[]}`, "KEYS": `{"KEYS":[]}`, "odd keys alone": `{"keys":[{},1,null,"x",{"kty":"oct","k":"AAAA"}]}`,
		"page": `<html>`, "trailing": `{"keys":[]} x`,
	} {
		t.Run(name, func(t *testing.T) {
			if keys, err := parseKeys([]byte(body)); err == nil {
				t.Errorf("found %v", keys)
			}
		})
	}
}

func TestKeySetWithTwoArraysIsRefused(t *testing.T) {
	one, _ := json.Marshal(newSigner("ES256", "one").jwk())
	two, _ := json.Marshal(newSigner("ES256", "two").jwk())
	if keys, err := parseKeys([]byte(`{"keys":[` + string(one) + `],"keys":[` + string(two) + `]}`)); err == nil {
		t.Errorf("found %v", keys)
	}
}

// A key serves the algorithm that it was published for, though it could serve others (RFC 7517 4.4).
func TestKeyOfAnotherAlgorithmIsNotUsed(t *testing.T) {
	for published, ok := range map[any]bool{"RS256": true, "PS256": false, "RS512": false} {
		o := newOP(t, "RS256")
		o.metadata = set("id_token_signing_alg_values_supported", []string{"RS256", "RS512", "PS256"})
		o.published[0]["alg"] = published
		if _, err := o.login(t, o.client(t, nil)); (err == nil) != ok {
			t.Errorf("published for %v: %v", published, err)
		}
	}
}

// A JSON member named keys in capitals is not the set, though encoding/json would take it.
func TestKeySetTakesTheExactName(t *testing.T) {
	mine, _ := json.Marshal(newSigner("ES256", "mine").jwk())
	other, _ := json.Marshal(newSigner("ES256", "other").jwk())
	set, err := parseKeys([]byte(`{"keys":[` + string(mine) + `],"KEYS":[` + string(other) + `]}`))
	if err != nil || len(set.keys) != 1 || set.keys[0].id != "mine" {
		t.Errorf("got %v, %v", set.keys, err)
	}
}

// Who publishes keys of which none is of use learns why.
func TestUselessKeysAreExplained(t *testing.T) {
	private := newSigner("ES256", "k").jwk()
	private["d"] = "AQAB"
	body, _ := json.Marshal(map[string]any{"keys": []any{private, private, map[string]any{"kty": "RSA", "use": "enc"}}})
	_, err := parseKeys(body)
	if err == nil || strings.Count(err.Error(), "private part") != 1 || !strings.Contains(err.Error(), "use is not sig") {
		t.Errorf("got %v", err)
	}
}

func TestKeysThatSignNobodyIn(t *testing.T) {
	tests := map[string]struct {
		change func(*op)
		kind   Kind
	}{
		"another's key under our kid": {func(o *op) { o.signer = newSigner("ES256", "key-1") }, KindInvalidIDToken},
		"published for another alg":   {func(o *op) { o.published[0]["alg"] = "ES384" }, KindInvalidMetadata},
		"published for encryption":    {func(o *op) { o.published[0]["use"] = "enc" }, KindInvalidMetadata},
		"right key under another kid": {func(o *op) { o.published[0]["kid"] = "key-2" }, KindInvalidIDToken},
		"right key without kid":       {func(o *op) { delete(o.published[0], "kid") }, KindInvalidIDToken},
		"encryption key beside a good one": {func(o *op) {
			o.published[0]["use"] = "enc"
			o.published = append(o.published, newSigner("ES256", "key-2").jwk())
		}, KindInvalidIDToken},
		"key in the header": {func(o *op) {
			o.signer = newSigner("ES256", "key-2")
			o.idHeader = set("jwk", o.signer.jwk())
		}, KindInvalidIDToken},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "ES256")
			test.change(o)
			_, err := o.login(t, o.client(t, nil))
			o.wantKind(t, err, test.kind)
		})
	}
}

func TestRotatedKeyIsFetched(t *testing.T) {
	o := newOP(t, "RS256")
	p := o.client(t, nil)
	if _, err := o.login(t, p); err != nil {
		t.Fatal(err)
	}
	o.rotate("RS256", "key-2")
	if _, err := o.login(t, p); err != nil {
		t.Fatal(err)
	}
	if n := o.count("GET /jwks"); n != 2 {
		t.Errorf("the keys were fetched %d times", n)
	}
}

// A rotation without kid shows only as a signature that no key made.
func TestRotatedKeyWithoutKidIsFetched(t *testing.T) {
	o := newOP(t, "ES256")
	o.idHeader = without("kid")
	delete(o.published[0], "kid")
	p := o.client(t, nil)
	if _, err := o.login(t, p); err != nil {
		t.Fatal(err)
	}
	o.rotate("ES256", "")
	delete(o.published[0], "kid")
	if _, err := o.login(t, p); err != nil {
		t.Error(err)
	}
}

func TestUnknownKeysCauseFewFetches(t *testing.T) {
	o := newLocalOP()
	p := o.client(t, nil)
	synctest.Test(t, func(t *testing.T) {
		o.idHeader = set("kid", "forged")
		for range 5 {
			_, err := o.login(t, p)
			o.wantKind(t, err, KindInvalidIDToken)
		}
		if n := o.count("GET /jwks"); n != 2 { // the ordinary fetch, and one for the unknown key
			t.Errorf("the keys were fetched %d times", n)
		}
		time.Sleep(renewPause)
		o.idHeader = nil
		o.rotate("ES256", "key-2")
		if _, err := o.login(t, p); err != nil {
			t.Errorf("after the pause: %v", err)
		}
	})
}

// Forged tokens can use up what may be fetched. Until that is over, no session is to end because its new tokens' key is not known.
func TestRotationAmidForgedTokens(t *testing.T) {
	const new = "key-2"
	for name, test := range map[string]struct {
		kids  []string // of forged tokens
		kid   string   // of the new key
		under bool     // way, when the key is changed
	}{
		"three of other names":  {kids: []string{"a", "b", "c"}, kid: new},
		"one of the same name":  {kids: []string{new}, kid: new},
		"one of the old name":   {kids: []string{"key"}, kid: "key"},
		"the last is under way": {kids: []string{"a", "b", "c"}, kid: new, under: true},
	} {
		t.Run(name, func(t *testing.T) {
			o := newLocalOP()
			o.rotate("ES256", "key")
			p := o.client(t, nil)
			slow := &delayed{inProcess: inProcess{o}}
			p.client.transport = slow
			synctest.Test(t, func(t *testing.T) {
				known := o.refreshable(t, p)
				slow.by = time.Second
				for i, kid := range test.kids {
					go p.VerifyLogoutToken(t.Context(), newSigner("ES256", kid).signRaw(fmt.Appendf(nil, `{"alg":"ES256","kid":%q}`, kid), []byte(`{}`)))
					if !test.under || i < len(test.kids)-1 {
						time.Sleep(1100 * time.Millisecond)
					}
				}
				synctest.Wait()
				time.Sleep(100 * time.Millisecond)
				o.rotate("ES256", test.kid)
				if _, err := p.Refresh(t.Context(), known); OutcomeOf(err) != Unavailable {
					t.Errorf("the refresh is %v: %v", OutcomeOf(err), err)
				}
				time.Sleep(renewPause)
				if _, err := p.Refresh(t.Context(), known); err != nil {
					t.Errorf("after the pause: %v", err)
				}
			})
		})
	}
}

// A wrong signature under a known kid may be a new key under an old name, but is asked about once in a while alone.
func TestWrongSignaturesCauseOneFetch(t *testing.T) {
	o := newOP(t, "RS256")
	o.idToken = func(s string) string { return s[:len(s)-10] + "AAAAAAAAAA" }
	p := o.client(t, nil)
	for range 3 {
		o.login(t, p)
	}
	if n := o.count("GET /jwks"); n != 2 {
		t.Errorf("the keys were fetched %d times", n)
	}
}

// Neither a forged signature nor an unknown key uses up the fetch that the other needs.
func TestNewKeyUnderAnOldName(t *testing.T) {
	o := newOP(t, "ES256") // of which each rotation makes another key
	p := o.client(t, nil)
	if _, err := o.login(t, p); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"key-2", "key-2"} { // a rotation, then a start with another key of the same name
		o.rotate("ES256", name)
		if _, err := o.login(t, p); err != nil {
			t.Errorf("with the new %s: %v", name, err)
		}
	}
}

// A fetch that was under way before the provider changed its keys is no answer to who asks for a new one.
func TestRotationDuringAFetch(t *testing.T) {
	o := newLocalOP()
	p := o.client(t, nil)
	slow := &delayed{inProcess: inProcess{o}}
	p.client.transport = slow
	synctest.Test(t, func(t *testing.T) {
		if _, err := o.login(t, p); err != nil {
			t.Fatal(err)
		}
		slow.by = 3 * time.Second
		time.Sleep(keysMaxAge + time.Second)
		if _, err := o.login(t, p); err != nil { // begins a fetch in the background
			t.Fatal(err)
		}
		synctest.Wait()
		o.rotate("ES256", "key-2")
		if _, err := o.login(t, p); err != nil {
			t.Errorf("after the rotation: %v", err)
		}
	})
}

// delayed is a transport on which the answers with keys arrive late.
type delayed struct {
	inProcess
	by time.Duration
}

func (d *delayed) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := d.inProcess.RoundTrip(r)
	if r.URL.Path == "/jwks" {
		time.Sleep(d.by)
	}
	return answer, err
}

// While a request for keys hangs, only those wait who need a new key.
func TestHungFetchBlocksNobody(t *testing.T) {
	o := newLocalOP()
	p := o.client(t, nil)
	synctest.Test(t, func(t *testing.T) {
		if _, err := o.login(t, p); err != nil {
			t.Fatal(err)
		}
		p.client.transport = stall{"/jwks", inProcess{o}}
		time.Sleep(keysMaxAge + time.Second)
		began := time.Now()
		for range 5 {
			if _, err := o.login(t, p); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("known keys took %s", took)
		}
		o.idHeader = set("kid", "unknown")
		_, err := o.login(t, p)
		o.wantKind(t, err, KindUnavailable) // a new key may have made it
		if took := time.Since(began); took > 2*fetchTimeout {
			t.Errorf("an unknown key took %s", took)
		}
		time.Sleep(fetchTimeout)
	})
}

// A provider that says how long its keys are good is asked again then, within bounds (OIDC Core 10.1.1).
func TestKeysAreFetchedWhenTheyAreNoLongerFresh(t *testing.T) {
	for header, want := range map[string]time.Duration{"": keysMaxAge, "max-age=300": 5 * time.Minute, "max-age=86400": keysMaxAge, "no-store": keysMinAge} {
		t.Run(header, func(t *testing.T) {
			o := newLocalOP()
			o.instead = handlers("/jwks", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", header)
				respond(w, map[string]any{"keys": o.published})
			})
			p := o.client(t, nil)
			synctest.Test(t, func(t *testing.T) {
				for _, step := range []struct {
					sleep   time.Duration
					fetches int
				}{{0, 1}, {want, 1}, {time.Second, 2}} {
					time.Sleep(step.sleep)
					if _, err := o.login(t, p); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					if n := o.count("GET /jwks"); n != step.fetches {
						t.Errorf("after %s more: %d fetches", step.sleep, n)
					}
				}
			})
		})
	}
}

func TestOldKeysSurviveAnOutage(t *testing.T) {
	for name, broken := range map[string]string{"down": "", "page": "<html>", "no key": `{"keys":[]}`} {
		t.Run(name, func(t *testing.T) {
			o := newLocalOP()
			p := o.client(t, nil)
			synctest.Test(t, func(t *testing.T) {
				if _, err := o.login(t, p); err != nil {
					t.Fatal(err)
				}
				o.instead = handlers("/jwks", says(200, "application/json", broken))
				for range 3 {
					time.Sleep(keysMaxAge + time.Second)
					if _, err := o.login(t, p); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				if n := o.count("GET /jwks"); n != 4 {
					t.Errorf("the keys were asked for %d times", n)
				}
				if p.Up() {
					t.Error("the provider counts as up")
				}
			})
		})
	}
}

// Whatever a key set holds, only keys that can verify safely come out of it.
func FuzzKeySet(f *testing.F) {
	for _, algorithm := range []string{"RS256", "ES256", "ES512", "EdDSA"} {
		body, _ := json.Marshal(map[string]any{"keys": append(oddKeys(), newSigner(algorithm, "k").jwk())})
		f.Add(body)
	}
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQ"}],"keys":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		set, err := parseKeys(body)
		if (err == nil) != (len(set.keys) > 0) || len(set.keys) > maxKeys {
			t.Fatalf("%d keys, error %v", len(set.keys), err)
		}
		for _, k := range set.keys {
			sound(t, k)
		}
	})
}

// A good key survives whatever stands beside it, and nothing that is beside it serves in its place.
func FuzzKeyBesideAGoodOne(f *testing.F) {
	good := newSigner("ES256", "good")
	jwk, _ := json.Marshal(good.jwk())
	token := good.sign(map[string]any{"alg": "ES256", "kid": "good"}, map[string]any{"sub": "alice"})
	for _, odd := range append(oddKeys(), newSigner("RS256", "good").jwk(), newSigner("ES256", "good").jwk(), newSigner("EdDSA", "good").jwk()) {
		beside, _ := json.Marshal(odd)
		f.Add(string(beside))
	}
	for _, beside := range []string{`null`, `1`, `[]`, `"x"`, `{"kty":"EC","kty":"RSA"}`, `{"kid":"good","d":1}`, "\"\xff\"", `{"x":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}`} {
		f.Add(beside)
	}
	f.Fuzz(func(t *testing.T, beside string) {
		if !json.Valid([]byte(beside)) {
			return
		}
		set, err := parseKeys([]byte(`{"keys":[` + beside + `,` + string(jwk) + `,` + beside + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range set.keys {
			sound(t, k)
		}
		known, err := parseToken(token, []string{"ES256"}, []string{""})
		if err != nil {
			t.Fatal(err)
		}
		if payload, _ := known.verifyWith(set.keys); payload == nil {
			t.Error("the good key does not verify any more")
		}
	})
}

// sound checks a key that was taken: of a size and kind that are safe, on its curve, and by its own alg good for its type.
func sound(t *testing.T, k key) {
	t.Helper()
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		if n := public.N.BitLen(); n < 2048 || n > 8192 || public.N.Bit(0) == 0 || public.E < 3 || public.E%2 == 0 || k.keyType != "RSA" {
			t.Errorf("weak: %+v", k)
		}
	case *ecdsa.PublicKey:
		if _, err := public.ECDH(); err != nil || k.keyType != public.Params().Name || public.Curve == elliptic.P224() {
			t.Errorf("not on its curve: %+v", k)
		}
	case ed25519.PublicKey:
		if len(public) != 32 || k.keyType != "Ed25519" || anybodySigns(public) {
			t.Errorf("weak: %+v", k)
		}
	default:
		t.Errorf("a key of type %T", public)
	}
	if k.algorithm != "" && keyTypeOf(k.algorithm) != k.keyType {
		t.Errorf("its alg is not one of its type: %+v", k)
	}
}

// anybodySigns tries signatures that take no private key: with a public key of low order, one in eight of them is good.
func anybodySigns(public ed25519.PublicKey) bool {
	signature := make([]byte, ed25519.SignatureSize)
	signature[0] = 1 // R is the neutral point, S is 0
	for message := range byte(100) {
		if ed25519.Verify(public, []byte{message}, signature) {
			return true
		}
	}
	return false
}

// The points of low order, in each spelling that Go's verifier takes, are no keys.
func TestPointsOfLowOrder(t *testing.T) {
	ordinates := []string{
		"0000000000000000000000000000000000000000000000000000000000000000", "0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	}
	for _, ordinate := range ordinates {
		for _, sign := range []byte{0, 0x80} {
			point, _ := hex.DecodeString(ordinate)
			point[31] |= sign
			if !anybodySigns(point) {
				t.Fatalf("%x is none of them", point)
			}
			if parseOne(t, map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64(point)}) == nil {
				t.Errorf("%x is taken for a key", point)
			}
		}
	}
}

func TestKeysThatAreTaken(t *testing.T) {
	tests := map[string]struct {
		algorithm string
		change    func(map[string]any)
	}{
		"key_ops to verify": {"RS256", set("key_ops", []string{"verify"})},
		"no use":            {"RS256", without("use")},
		"no alg":            {"RS256", without("alg")},
		"e is 3":            {"RS256", set("e", "Aw")},
		"P-384":             {"ES384", func(map[string]any) {}},
		"P-521":             {"ES512", func(map[string]any) {}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			jwk := newSigner(test.algorithm, "k").jwk()
			test.change(jwk)
			if err := parseOne(t, jwk); err != nil {
				t.Error(err)
			}
		})
	}
}

// Points beside their curve are no keys, on whatever curve.
func TestPointsBesideTheirCurve(t *testing.T) {
	for algorithm, size := range map[string]int{"ES256": 32, "ES384": 48, "ES512": 66} {
		jwk := newSigner(algorithm, "k").jwk()
		jwk["x"] = b64(make([]byte, size))
		if parseOne(t, jwk) == nil {
			t.Errorf("%s: accepted", algorithm)
		}
	}
}

// Of a set without end only so many keys are tried.
func TestKeysBeyondTheBoundArePassedOver(t *testing.T) {
	var keys []map[string]any
	for i := range maxKeys + 1 {
		jwk := newSigner("RS256", fmt.Sprint("key-", i)).jwk()
		keys = append(keys, jwk)
	}
	body, _ := json.Marshal(map[string]any{"keys": keys})
	set, err := parseKeys(body)
	if err != nil || len(set.keys) != maxKeys || set.keys[maxKeys-1].id != fmt.Sprint("key-", maxKeys-1) {
		t.Errorf("%d keys, %v", len(set.keys), err)
	}
}

func TestKeySetWithTwoArraysApartIsRefused(t *testing.T) {
	one, _ := json.Marshal(newSigner("ES256", "one").jwk())
	two, _ := json.Marshal(newSigner("ES256", "two").jwk())
	if set, err := parseKeys([]byte(`{"keys":[` + string(one) + `],"x":1,"keys":[` + string(two) + `]}`)); err == nil {
		t.Errorf("found %v", set)
	}
}
