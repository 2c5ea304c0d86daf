package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"doorward/config"
)

func TestAssertionKeys(t *testing.T) {
	first, second := keys().p256, otherP256(t)
	parameters := inPEM("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7})
	for name, test := range map[string]struct {
		text string
		keys int
	}{
		"none":                {"", 0},
		"one":                 {pkcs8(first), 1},
		"as openssl does":     {parameters + sec1(first), 1},
		"two":                 {pkcs8(second) + pkcs8(first), 2},
		"two, as openssl did": {parameters + sec1(second) + "\n" + parameters + sec1(first), 2},
	} {
		t.Run(name, func(t *testing.T) {
			c := valid()
			c.AssertionKeys = test.text
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			got := c.FollowAssertionKeys(nil)()
			if len(got) != test.keys {
				t.Fatalf("there are %d keys", len(got))
			}
			if test.keys > 0 && !first.Equal(got[len(got)-1].Key) {
				t.Error("the last key is not the first one made")
			}
			for _, key := range got {
				if len(key.KeyID) != 43 || key.Algorithm != "ES256" || key.Use != "sig" {
					t.Errorf("a key is %q, for %q, %q", key.KeyID, key.Algorithm, key.Use)
				}
			}
		})
	}
}

func TestAssertionKeysThatAreRefused(t *testing.T) {
	k := keys()
	good := pkcs8(k.p256)
	for name, test := range map[string]struct{ text, wrong string }{
		"no PEM":            {canary, "not whole PEM"},
		"JWK":               {jwk(k.p256, nil), "not whole PEM"},
		"cut":               {good + good[:len(good)/2], "not whole PEM"},
		"garbage":           {inPEM("PRIVATE KEY", []byte(canary)), "key 1 is a private key that does not parse"},
		"of another format": {good + inPEM("OPENSSH PRIVATE KEY", []byte(canary)), "key 2 is a private key in a format"},
		"encrypted":         {good + inPEM("ENCRYPTED PRIVATE KEY", []byte(canary)), "key 2 is encrypted"},
		"public":            {good + publicPEM(otherP256(t)), "key 2 is no private key"},
		"certificate":       {inPEM("CERTIFICATE", []byte(canary)), "key 1 is no private key"},
		"RSA":               {pkcs8(k.rsa), "key 1 is not on the curve P-256"},
		"P-384":             {good + pkcs8(k.p384), "key 2 is not on the curve"},
		"Ed25519":           {pkcs8(k.ed25519), "not on the curve"},
		"twice":             {good + sec1(k.p256), "key 2 is there already"},
		"parameters alone":  {inPEM("EC PARAMETERS", []byte{6, 8}), "no private key"},
	} {
		t.Run(name, func(t *testing.T) {
			c := valid()
			c.AssertionKeys = test.text
			ps, _ := errors.AsType[config.Problems](c.Validate())
			if len(ps) != 1 || ps[0].Variable != "DOORWARD_ASSERTION_KEYS" || !strings.Contains(ps[0].Wrong, test.wrong) || !strings.Contains(ps[0].Mend, "openssl") {
				t.Errorf("got %v", ps)
			}
			if strings.Contains(ps.Error(), canary) {
				t.Errorf("the problem quotes the value: %v", ps)
			}
		})
	}
}

func otherP256(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
