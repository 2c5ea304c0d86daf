package config

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// The keys that sign what upstreams are told of a person, ASSERTION_KEYS:
//
//   - Private keys in PEM, one after the other, on P-256 and not encrypted: what else stands there is refused, not passed over.
//   - The first signs, all are published. None is there twice.
//   - A key's name is its thumbprint (RFC 7638 3), so that instances and restarts call it the same.
//   - No message shows anything of them.

const freshAssertionKey = "give private keys on P-256 in PEM, each whole and without a password; " +
	"a fresh one: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out assertion-key.pem"

func checkAssertionKeys(c *Config) Problems {
	_, problems := readAssertionKeys(c.AssertionKeys)
	return problems
}

// FollowAssertionKeys returns a function that gives the keys as they are now, the one that signs first: see follow. There are none where
// ASSERTION_KEYS is unset.
func (c *Config) FollowAssertionKeys(notice func(variable string, err error)) func() []jose.JSONWebKey {
	return follow(c, "ASSERTION_KEYS", c.AssertionKeys, readAssertionKeys, notice)
}

func readAssertionKeys(text string) ([]jose.JSONWebKey, Problems) {
	if text == "" {
		return nil, nil
	}
	v := verdict{variable: "ASSERTION_KEYS"}
	keys, wrong := parseAssertionKeys(text)
	if wrong != "" {
		v.add(wrong, freshAssertionKey)
		return nil, v.problems
	}
	return keys, nil
}

func parseAssertionKeys(text string) (keys []jose.JSONWebKey, wrong string) {
	blocks := pemBlocks(text)
	if len(blocks) == 0 || len(blocks) != strings.Count(text, "-----BEGIN ") {
		return nil, "is not whole PEM"
	}
	for _, b := range blocks {
		if b.Type == "EC PARAMETERS" { // openssl writes the name of the curve before the key
			continue
		}
		key, wrong := parseAssertionKey(b)
		if wrong == "" && slices.ContainsFunc(keys, func(k jose.JSONWebKey) bool { return k.KeyID == key.KeyID }) {
			wrong = "is there already"
		}
		if wrong != "" {
			return nil, fmt.Sprintf("key %d %s", len(keys)+1, wrong)
		}
		keys = append(keys, *key)
	}
	if len(keys) == 0 {
		return nil, "holds no private key"
	}
	return keys, ""
}

func parseAssertionKey(b *pem.Block) (key *jose.JSONWebKey, wrong string) {
	switch {
	case b.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED"):
		return nil, "is encrypted"
	case !strings.HasSuffix(b.Type, "PRIVATE KEY"):
		return nil, "is no private key"
	}
	key, fault := parseBlock(b)
	if fault != nil {
		return nil, fault.wrong
	}
	if !signsES256(key) {
		return nil, "is not on the curve P-256"
	}
	return key, ""
}

// signsES256 says whether a key does, and names it.
func signsES256(key *jose.JSONWebKey) bool {
	private, is := key.Key.(*ecdsa.PrivateKey)
	if !is || private.Curve != elliptic.P256() {
		return false
	}
	thumbprint, err := key.Thumbprint(crypto.SHA256)
	key.KeyID, key.Algorithm, key.Use = base64.RawURLEncoding.EncodeToString(thumbprint), string(jose.ES256), "sig"
	return err == nil && wholePair(key, key.Algorithm)
}
