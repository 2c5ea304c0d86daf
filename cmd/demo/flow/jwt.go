package flow

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
)

// decoded is a JWT taken apart (RFC 7519, section 3). Nothing is verified here: doorward has done that.
type decoded struct {
	header, payload map[string]any
	signature       string
}

func decode(token string) decoded {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return decoded{}
	}
	return decoded{object(parts[0]), object(parts[1]), parts[2]}
}

func object(part string) map[string]any {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // times stay readable
	var values map[string]any
	if decoder.Decode(&values) != nil {
		return nil
	}
	return values
}

// rows lists an object's members each with what explain says of it.
func rows(values map[string]any, explain func(name string) string) []row {
	var list []row
	for _, name := range inOrder(maps.Keys(values)) {
		list = append(list, row{Name: name, Value: text(name, values[name]), Means: explain(name)})
	}
	return list
}

// challenge is the S256 code challenge of a verifier (RFC 7636, section 4.2).
func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// tokenHash is the at_hash of an access token under a signature with SHA-256 (OIDC Core 3.1.3.6).
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}
