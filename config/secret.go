package config

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// secretBytes is the least length of a cookie secret (security of 256 bits).
const secretBytes = 32

// NewSecret returns a fresh cookie secret as COOKIE_SECRETS takes it: 32
// random bytes in base64.
func NewSecret() string {
	secret := make([]byte, secretBytes)
	rand.Read(secret) // never fails
	return base64.StdEncoding.EncodeToString(secret)
}

// Secrets returns the decoded cookie secrets: the first seals, all open. Its
// error is a [Problems].
func (c *Config) Secrets() ([][]byte, error) {
	secrets, problems := c.secrets()
	return secrets, problems.result()
}

func checkSecrets(c *Config) Problems {
	_, problems := c.secrets()
	return problems
}

func (c *Config) secrets() ([][]byte, Problems) {
	v := verdict{variable: "COOKIE_SECRETS"}
	var secrets [][]byte
	for i, text := range c.CookieSecrets {
		secret, err := decodeSecret(text)
		if err == nil && slices.ContainsFunc(secrets, func(s []byte) bool { return string(s) == string(secret) }) {
			err = errors.New("is there already")
		}
		if err != nil {
			v.add(fmt.Sprintf("secret %d %v", i+1, err), mendSecret(text))
			continue
		}
		secrets = append(secrets, secret)
	}
	return secrets, v.problems
}

// mendSecret says what to write in the place of one that is no good, which may be several.
func mendSecret(text string) string {
	parts := strings.FieldsFunc(text, func(c rune) bool { return c == ';' || blank(c) })
	if len(parts) > 1 {
		if _, err := decodeSecret(parts[0]); err == nil {
			return "write commas between secrets"
		}
	}
	return "write a fresh one in its place; `doorward secret` prints one"
}

// decodeSecret reads base64 of either alphabet, padded or not.
func decodeSecret(text string) ([]byte, error) {
	if placeholder(text) {
		return nil, errors.New("is a placeholder")
	}
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	secret, err := base64.RawStdEncoding.DecodeString(text)
	switch {
	case err != nil:
		return nil, errors.New("is not base64")
	case len(secret) < secretBytes:
		return nil, fmt.Errorf("decodes to %d bytes, and %d bytes are the least", len(secret), secretBytes)
	case predictable(secret):
		return nil, errors.New("is not random")
	}
	return secret, nil
}

// predictable reports bytes that stand for no secret at all: few different
// ones, where 32 random bytes hold 20 or more.
func predictable(secret []byte) bool {
	const least = 8
	return len(slices.Compact(slices.Sorted(slices.Values(secret)))) < least
}

// handmade reports a secret that no random source gives, though it may be hard
// to guess: text, perhaps a passphrase, or bytes that count.
func handmade(secret []byte) bool {
	text := !slices.ContainsFunc(secret, func(b byte) bool { return b < ' ' || b > '~' })
	return text || slices.IsSorted(secret)
}
