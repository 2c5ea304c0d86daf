package provider

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// The rules of the ID token are those of OIDC Core 3.1.3.7, each below with its number, and some that later experience added.
// go-oidc keeps a part of them. It does not look at iat, sub, azp, further audiences, nonce, at_hash, acr and auth_time, at what
// kind of token it is, or at doubled members. So both are asked, go-oidc and the rules here, and both must agree.

// maxIDTokenAge is how long ago an ID token may have been issued when it arrives straight from the token endpoint.
const maxIDTokenAge = 10 * time.Minute

// verifyIDToken checks an ID token that came with accessToken in the login of r.
func (p *Provider) verifyIDToken(ctx context.Context, m *metadata, r Request, raw, accessToken string) (*token, []Check, error) {
	return p.checkIDToken(ctx, m, raw, accessToken, func(t *token) []rule {
		return []rule{
			{"OIDC Core 3.1.3.7 (11), 15.5.2", func() (string, error) { return t.checkNonce(r.Nonce) }},
			{"OIDC Core 3.1.3.7 (12)", func() (string, error) { return t.checkContext(p.contexts(r)) }},
			{"OIDC Core 3.1.3.7 (13)", func() (string, error) { return t.checkAuthTime(p.longest(r)) }},
		}
	})
}

// checkIDToken checks an ID token that came with accessToken, by the rules for all ID tokens and by those of the occasion.
func (p *Provider) checkIDToken(ctx context.Context, m *metadata, raw, accessToken string, occasion func(*token) []rule) (*token, []Check, error) {
	l := &checklist{of: "ID token", kind: KindInvalidIDToken}
	t := &token{}
	var objection error // go-oidc's
	rules := []rule{
		{"OIDC Core 3.1.3.7 (1, 7), RFC 8725 3.1, 3.11", func() (found string, err error) {
			t, err = parseToken(raw, m.Algorithms, []string{"", "jwt"})
			if err != nil {
				return "", err
			}
			return "it is a signed JWT, not encrypted, and its alg " + t.header.algorithm + " is one that both sides expect", nil
		}},
		{"OIDC Core 3.1.3.7 (6), 10.1", func() (found string, err error) {
			found, objection, err = p.checkSignature(ctx, m, t)
			return found, err
		}},
		{"OIDC Core 3.1.3.7 (2)", func() (string, error) { return t.checkIssuer(p.options.Issuer) }},
		{"OIDC Core 3.1.3.7 (3)", func() (string, error) { return t.checkAudience(p.options.ClientID, p.options.Audience) }},
		{"OIDC Core 3.1.3.7 (4, 5)", func() (string, error) { return t.checkAuthorizedParty(p.options.ClientID) }},
		{"OIDC Core 2, 5.7", func() (string, error) { return t.checkSubject() }},
		{"OIDC Core 3.1.3.7 (9)", func() (string, error) { return t.checkExpiry() }},
		{"OIDC Core 2, 3.1.3.7 (10)", func() (string, error) { return t.checkIssuedAt() }},
		{"RFC 7519 4.1.5", func() (string, error) { return t.checkNotBefore() }},
		{"OIDC Back-Channel Logout 4.1", func() (string, error) { return t.checkNoLogout() }},
		{"OIDC Core 3.1.3.6", func() (string, error) { return t.checkAccessTokenHash(accessToken) }},
		{"OIDC Front-Channel Logout 3", func() (string, error) { return "", t.checkSessionID() }},
	}
	if err := l.run(rules); err != nil {
		return t, l.made, err
	}
	err := l.run(append(occasion(t), rule{"OIDC Core 3.1.3.7", func() (string, error) {
		if objection != nil { // in words that may quote anything
			return "", errors.New("go-oidc finds a claim of a type that it must not have")
		}
		return "", nil
	}}))
	if err == nil {
		p.signedBy.learn(t.raw)
	}
	return t, l.made, err
}

// checkSignature has go-oidc verify the token with our keys, and reads the claims. What go-oidc objects to beyond the signature is
// kept for the end, since the rules here find better words for most of it.
func (p *Provider) checkSignature(ctx context.Context, m *metadata, t *token) (found string, objection, err error) {
	signature := &signatureCheck{keyring: p.keys, token: t}
	verifier := oidc.NewVerifier(p.options.Issuer, signature, &oidc.Config{
		ClientID:             p.options.ClientID,
		SupportedSigningAlgs: m.Algorithms,
		Now:                  func() time.Time { return time.Now().Add(-leeway) },
	})
	_, objection = verifier.Verify(ctx, t.raw)
	if signature.err != nil {
		return "", nil, signature.err
	}
	if signature.payload == nil {
		return "", nil, errors.New("the token is malformed")
	}
	if err := t.readClaims(signature.payload, p.usedClaims()); err != nil {
		return "", nil, err
	}
	found = fmt.Sprintf("its signature was made with the provider's key %s, and its JSON has one reading only", quoted(t.header.keyID))
	return found, objection, nil
}

// signatureCheck is the oidc.KeySet for one token: our keyring, with what came of it.
type signatureCheck struct {
	keyring *keyring
	token   *token
	payload []byte
	err     error
}

// VerifySignature implements oidc.KeySet.
func (s *signatureCheck) VerifySignature(ctx context.Context, _ string) ([]byte, error) {
	s.payload, s.err = s.keyring.verify(ctx, s.token)
	return s.payload, s.err
}

// checkAudience: the token is for this client. Who else it is for must be trusted, and trusted are the audiences that access tokens have:
// some providers (Zitadel) put the API's into both tokens.
func (t *token) checkAudience(clientID string, trusted []string) (string, error) {
	audience, err := t.claims.audience()
	if err != nil {
		return "", err
	}
	for _, one := range audience {
		if one != clientID && !slices.Contains(trusted, one) {
			return "", fmt.Errorf("aud contains %s, which is neither this client nor in DOORWARD_AUDIENCE; a token for others is not for us", quoted(one))
		}
	}
	if !slices.Contains(audience, clientID) {
		return "", errors.New("aud does not contain this client")
	}
	if forOthers(audience, clientID) {
		return "aud is this client, " + clientID + ", and beside it what access tokens are for", nil
	}
	return "aud is this client, " + clientID + ", and nobody else", nil
}

func forOthers(audience []string, clientID string) bool {
	return slices.ContainsFunc(audience, func(one string) bool { return one != clientID })
}

// checkAuthorizedParty: a token for several says which of them asked for it.
func (t *token) checkAuthorizedParty(clientID string) (string, error) {
	if audience, _ := t.claims.audience(); !t.claims.has("azp") && forOthers(audience, clientID) {
		return "", errors.New("azp is missing, and aud contains others than this client")
	}
	if !t.claims.has("azp") {
		return "", nil
	}
	party, err := t.claims.needText("azp")
	if err != nil {
		return "", err
	}
	if party != clientID {
		return "", fmt.Errorf("azp is %s, not this client", quoted(party))
	}
	return "azp names this client: nobody else asked for the token", nil
}

// checkSubject: sub is what tells people apart. At most 255 characters of ASCII.
func (t *token) checkSubject() (string, error) {
	subject, err := t.claims.needText("sub")
	if err != nil {
		return "", err
	}
	if len(subject) > 255 {
		return "", errors.New("sub is longer than 255 characters")
	}
	if strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", errors.New("sub contains a character that is not printable ASCII")
	}
	return "sub says who it is: one name, for ever, within this issuer", nil
}

// checkIssuedAt: a token that just came from the token endpoint was just issued.
func (t *token) checkIssuedAt() (string, error) {
	issued, err := t.needDate("iat")
	if err != nil {
		return "", err
	}
	age := time.Since(issued)
	if age < -leeway {
		return "", errors.New("iat is in the future; if the clocks differ, mend them")
	}
	if age > maxIDTokenAge {
		return "", fmt.Errorf("iat is %s ago, but the token was fetched just now", age.Round(time.Second))
	}
	return "iat is now, give or take: the token was issued for this login", nil
}

// checkNonce ties the token to the browser that began the login.
func (t *token) checkNonce(sent string) (string, error) {
	nonce, err := t.claims.needText("nonce")
	if err != nil {
		return "", &Error{Kind: KindNonceMismatch, cause: err}
	}
	if subtle.ConstantTimeCompare([]byte(nonce), []byte(sent)) != 1 {
		return "", fail(KindNonceMismatch, "nonce is not the one that this login sent")
	}
	return "nonce is the one that this login sent: the token answers this browser's request", nil
}

func (t *token) checkNoLogout() (string, error) {
	if t.claims.has("events") {
		return "", errors.New("events is there: this is a logout token or another event, not an ID token")
	}
	return "there is no events claim: it is no logout token", nil
}

// checkAccessTokenHash: at_hash, where present, ties the access token to the ID token.
func (t *token) checkAccessTokenHash(accessToken string) (string, error) {
	if !t.claims.has("at_hash") {
		return "", nil
	}
	hash, err := t.claims.needText("at_hash")
	if err != nil {
		return "", err
	}
	if subtle.ConstantTimeCompare([]byte(hash), []byte(halfHash(t.header.algorithm, accessToken))) != 1 {
		return "", errors.New("at_hash is not the hash of the access token that came along")
	}
	return "at_hash is the hash of the access token: the two tokens belong together", nil
}

// halfHash is the left half of the hash that goes with a signature algorithm, in base64url. EdDSA with Ed25519 hashes with SHA-512.
func halfHash(algorithm, text string) string {
	var sum []byte
	switch {
	case strings.HasSuffix(algorithm, "256"):
		hash := sha256.Sum256([]byte(text))
		sum = hash[:]
	case strings.HasSuffix(algorithm, "384"):
		hash := sha512.Sum384([]byte(text))
		sum = hash[:]
	default:
		hash := sha512.Sum512([]byte(text))
		sum = hash[:]
	}
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}
