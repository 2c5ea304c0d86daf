package config

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// The client's private key, CLIENT_KEY:
//
//   - One key in PEM (PKCS #8, PKCS #1, SEC 1) or one JWK; not two, for nobody could say which one signs.
//   - Private, not encrypted, for signatures, and of a kind that one of the four algorithms takes.
//   - Its halves belong together: a signature that it makes is one that its public half verifies.
//   - No message shows anything of it.

const leastRSA = 2048 // bits of an RSA key (RFC 7518 3.3)

const (
	freshKey  = "a fresh key: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out client-key.pem"
	wholeKey  = "give one private key in PEM, with its line breaks, or as a JWK; " + Prefix + "_CLIENT_KEY_FILE names a file of it"
	usableKey = "use RSA of 2048 bits or more, P-256 or Ed25519; " + freshKey
)

// keyFault is what is wrong with a key, and its mend.
type keyFault struct{ wrong, mend string }

// readKey reads a private key in PEM or as a JWK. Its algorithm is set wherever only one is possible.
func readKey(text string) (*jose.JSONWebKey, Problems) {
	parse := parsePEMKey
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		parse = parseJWK
	}
	key, fault := parse(text)
	if fault == nil {
		fault = judgeKey(key)
	}
	if fault != nil {
		return nil, Problems{{Variable: Prefix + "_CLIENT_KEY", Wrong: fault.wrong, Mend: fault.mend}}
	}
	return key, nil
}

// parsePEMKey passes over what openssl writes beside a key: the parameters of its curve, a certificate.
func parsePEMKey(text string) (*jose.JSONWebKey, *keyFault) {
	var private []*pem.Block
	blocks := pemBlocks(text)
	for _, b := range blocks {
		switch {
		case b.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED"):
			return nil, &keyFault{"is encrypted", "write it without its password: openssl pkey -in client-key.pem -out plain-key.pem"}
		case strings.HasSuffix(b.Type, "PRIVATE KEY"):
			private = append(private, b)
		}
	}
	switch {
	case len(blocks) == 0 || len(blocks) != strings.Count(text, "-----BEGIN "):
		return nil, &keyFault{"is neither whole PEM nor a JWK", wholeKey}
	case len(private) == 0:
		return nil, publicKey()
	case len(private) > 1:
		return nil, severalKeys(len(private))
	}
	return parseBlock(private[0])
}

func pemBlocks(text string) []*pem.Block {
	var blocks []*pem.Block
	for b, rest := pem.Decode([]byte(text)); b != nil; b, rest = pem.Decode(rest) {
		blocks = append(blocks, b)
	}
	return blocks
}

func parseBlock(b *pem.Block) (*jose.JSONWebKey, *keyFault) {
	var key any
	var err error
	switch b.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(b.Bytes)
	default:
		return nil, &keyFault{"is a private key in a format of another program", wholeKey}
	}
	if err != nil {
		return nil, &keyFault{"is a private key that does not parse, or of a kind that is not known here", usableKey}
	}
	return &jose.JSONWebKey{Key: key}, nil
}

// parseJWK reads one JWK (RFC 7517 4). What go-jose says is not passed on: it may quote the key.
func parseJWK(text string) (*jose.JSONWebKey, *keyFault) {
	var set struct {
		Keys       []json.RawMessage `json:"keys"`
		Operations []string          `json:"key_ops"`
	}
	if json.Unmarshal([]byte(text), &set) != nil {
		return nil, &keyFault{"looks like a JWK and is no JSON", wholeKey}
	}
	if set.Keys != nil {
		return nil, severalKeys(len(set.Keys))
	}
	key := new(jose.JSONWebKey)
	if json.Unmarshal([]byte(text), key) != nil {
		return nil, &keyFault{"is a JWK whose members are missing, malformed or of a kind that is not known here", "see that it is whole (an RSA key needs n, e, d, p and q); " + usableKey}
	}
	if key.Use != "" && key.Use != "sig" || set.Operations != nil && !slices.Contains(set.Operations, "sign") {
		return nil, &keyFault{"is a JWK for something else than signatures (use, key_ops)", "give the key whose use is sig; " + freshKey}
	}
	return key, nil
}

func publicKey() *keyFault {
	return &keyFault{"holds no private key", "give the private key here, and the public one to the provider"}
}

func severalKeys(n int) *keyFault {
	return &keyFault{fmt.Sprintf("holds %d keys, and one alone can sign", n), "give one alone, the private key whose public half the provider knows"}
}

// judgeKey says what keeps a key from signing, and sets its algorithm when only one is possible.
func judgeKey(key *jose.JSONWebKey) *keyFault {
	algorithms, fault := algorithmsOf(key.Key)
	switch {
	case fault != nil:
		return fault
	case key.Algorithm != "" && !slices.Contains(algorithms, key.Algorithm):
		return &keyFault{"is a JWK whose alg is not one for this kind of key", "write alg as " + alternatives(algorithms) + ", or leave it out"}
	case len(algorithms) == 1:
		key.Algorithm = algorithms[0]
	}
	if !wholePair(key, algorithms[0]) {
		return &keyFault{"is made of a private and a public half that do not belong together", usableKey}
	}
	return nil
}

func algorithmsOf(key any) ([]string, *keyFault) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits < leastRSA {
			return nil, &keyFault{fmt.Sprintf("is an RSA key of %d bits, and %d are the least", bits, leastRSA), usableKey}
		}
		return []string{"RS256", "PS256"}, nil
	case *ecdsa.PrivateKey:
		if key.Curve != elliptic.P256() {
			return nil, &keyFault{"is a key on a curve that is not P-256", usableKey}
		}
		return []string{"ES256"}, nil
	case ed25519.PrivateKey:
		return []string{"EdDSA"}, nil
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
		return nil, publicKey()
	case []byte:
		return nil, &keyFault{"is a symmetric key", "private_key_jwt signs with a private key: " + freshKey}
	}
	return nil, &keyFault{"is a key of a kind that does not sign", usableKey}
}

// wholePair makes a signature and verifies it.
func wholePair(key *jose.JSONWebKey, algorithm string) bool {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(algorithm), Key: key}, nil)
	if err != nil {
		return false
	}
	signed, err := signer.Sign([]byte("{}"))
	if err != nil {
		return false
	}
	_, err = signed.Verify(key.Public())
	return err == nil
}
