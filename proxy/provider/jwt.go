package provider

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The rules of every JWT, whatever it is for (RFC 7515, RFC 7519, RFC 8725):
//
//   - Three parts of base64url. Five are an encrypted token, braces the JSON serialisation; neither was agreed on.
//   - The algorithm is one that we expect, never one that the token may choose. So are keys: what the header says about where a
//     key is to be had (jku, x5u, jwk, x5c) is never followed or used.
//   - An extension that must be understood (crit) is not understood. An unencoded payload (b64) is none of ours.
//   - typ says which kind of token it is, so that one kind is never taken for another (RFC 8725 3.11).
//   - Nothing of the payload is believed before the signature is.

const (
	maxToken = 16 << 10 // bytes of a JWT
	// leeway forgives clocks that differ: exp, nbf, iat and auth_time may be wrong by so much.
	leeway = 30 * time.Second
)

// header is what we read of a JWS header.
type header struct {
	algorithm string
	keyID     string // "" when absent
	typ       string // in lower case, without "application/"; "" when absent
}

// token is a JWT. Its claims are nil until the signature was verified.
type token struct {
	raw    string
	header header
	claims object
}

// parseToken reads a token's header and judges it. typs are the values of typ that are fine, "" being its absence.
func parseToken(raw string, algorithms, typs []string) (*token, error) {
	if len(raw) > maxToken {
		return nil, fmt.Errorf("the token has %d bytes, more than the %d that are allowed", len(raw), maxToken)
	}
	if err := compact(raw); err != nil {
		return nil, err
	}
	h, err := parseHeader(raw[:strings.IndexByte(raw, '.')])
	if err != nil {
		return nil, err
	}
	if keyTypeOf(h.algorithm) == "" || !slices.Contains(algorithms, h.algorithm) {
		return nil, fmt.Errorf("alg is %s, not one of those agreed on: %s", quoted(h.algorithm), strings.Join(algorithms, ", "))
	}
	if !slices.Contains(typs, h.typ) {
		return nil, fmt.Errorf("typ is %s: another kind of token", quoted(h.typ))
	}
	return &token{raw: raw, header: h}, nil
}

// compact insists on the compact serialisation (RFC 7515 3.1).
func compact(raw string) error {
	switch dots := strings.Count(raw, "."); {
	case strings.HasPrefix(strings.TrimSpace(raw), "{"):
		return errors.New("the token is in JSON serialisation, which is for other uses")
	case dots == 4:
		return errors.New("the token is encrypted, which was not agreed on")
	case dots != 2:
		return fmt.Errorf("the token has %d parts, not 3", dots+1)
	}
	for i, part := range strings.Split(raw, ".") {
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil || strings.ContainsAny(part, "\r\n") {
			return fmt.Errorf("the token's %s is not base64url", []string{"header", "payload", "signature"}[i])
		}
	}
	return nil
}

func parseHeader(part string) (h header, err error) {
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return h, errors.New("the header is not base64url")
	}
	o, err := parseObject(data)
	if err != nil {
		return h, fmt.Errorf("the header: %w", err)
	}
	if err := o.exactly("alg", "kid", "typ", "crit", "b64"); err != nil {
		return h, fmt.Errorf("the header: %w", err)
	}
	if o.has("crit") || o.has("b64") {
		return h, errors.New("the header demands an extension (crit, b64) that is not known here")
	}
	if h.algorithm, err = o.needText("alg"); err != nil {
		return h, err
	}
	if h.keyID, err = o.text("kid"); err != nil {
		return h, err
	}
	if h.typ, err = o.text("typ"); err != nil {
		return h, err
	}
	h.typ = strings.TrimPrefix(strings.ToLower(h.typ), "application/")
	return h, nil
}

// readClaims reads a payload whose signature was verified. Names that are used must be written exactly so.
func (t *token) readClaims(payload []byte, used []string) error {
	claims, err := parseObject(payload)
	if err != nil {
		return err
	}
	if err := claims.exactly(used...); err != nil {
		return err
	}
	t.claims = claims
	return nil
}

// usedClaims are the names that doorward reads in a token or userinfo: those of the protocol, and those that it was configured
// for.
func (p *Provider) usedClaims() []string {
	names := []string{
		"iss", "sub", "aud", "azp", "exp", "nbf", "iat", "nonce", "at_hash", "auth_time", "acr", "sid", "events",
		"uid", "oid", "tid", "email", "email_verified", "typ", "c_hash", "cid", "cnf",
	}
	return append(names, p.options.NeededClaims()...)
}

// The checks that ID tokens and access tokens have in common.

// checkIssuer: exactly ours.
func (t *token) checkIssuer(issuer string) (string, error) {
	iss, err := t.claims.needText("iss")
	if err != nil {
		return "", err
	}
	if iss != issuer {
		return "", fmt.Errorf("iss is %s, not the configured issuer %s", quoted(iss), quoted(issuer))
	}
	return "iss is exactly the configured issuer, " + iss, nil
}

// checkExpiry: exp is there and not past.
func (t *token) checkExpiry() (string, error) {
	expiry, err := t.needDate("exp")
	if err != nil {
		return "", err
	}
	if !time.Now().Before(expiry.Add(leeway)) {
		return "", fmt.Errorf("exp is past: the token expired at %s", expiry.UTC().Format(time.RFC3339))
	}
	return "exp has not passed: the token is good until " + expiry.UTC().Format(time.RFC3339), nil
}

// checkNotBefore: nbf, when there is one, is not in the future.
func (t *token) checkNotBefore() (string, error) {
	begin, err := t.claims.date("nbf")
	if err != nil || !t.claims.has("nbf") {
		return "", err
	}
	if begin.After(time.Now().Add(leeway)) {
		return "", errors.New("nbf is in the future: the token is not good yet")
	}
	return "nbf has passed: the token is good already", nil
}

func (t *token) needDate(name string) (time.Time, error) {
	if !t.claims.has(name) {
		return time.Time{}, fmt.Errorf("%s is missing", name)
	}
	return t.claims.date(name)
}
