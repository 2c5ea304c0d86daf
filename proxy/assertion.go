package proxy

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"doorward/session"
)

// An upstream that others can reach past doorward must not believe headers. X-Doorward-Assertion says the same as the identity headers
// in a JWT (RFC 7519) that is signed with a key of ASSERTION_KEYS, and /oauth2/jwks has the public halves to verify it with.
//
// Rules that this file keeps:
//
//   - It is for one upstream, by its URL in UPSTREAMS (aud): what one upstream was sent, none can use at another (RFC 8725 3.9).
//   - It says who somebody is as the headers do, and nothing that they do not: no token, no session.
//   - It is good for five minutes, and sent with a minute left at least. Until then every request that would say the same brings the same one
//     again, so it bears no jti: nobody could count on seeing that once.
//   - ES256 alone (RFC 8725 3.1), by the first key as it is now; kid is its thumbprint (RFC 7638). All keys are published, so that a key is
//     known before it signs, and still while what it signed lives.
//   - Where it cannot be signed the request goes nowhere.

const (
	assertionLifetime = 5 * time.Minute
	assertionRest     = time.Minute     // the least that is left of its life when it is sent
	jwksMaxAge        = 5 * time.Minute // how long the public keys may be cached
)

// assertions signs who is asking, and remembers what it signed.
type assertions struct {
	issuer string
	keys   func() []jose.JSONWebKey // the one that signs first; none: nothing is signed

	mu             sync.Mutex
	recent, before map[[sha256.Size]byte]assertion
	bytes          int       // of recent
	since          time.Time // when recent was begun
}

// maxAssertionBytes bounds each of the two halves of what is remembered.
const maxAssertionBytes = 8 << 20

// assertion is a signed JWT.
type assertion struct {
	text    string
	expires time.Time
}

// asserted are the claims. An upstream finds in sub what X-Forwarded-User says.
type asserted struct {
	Issuer            string   `json:"iss"`
	Audience          string   `json:"aud"`
	Subject           string   `json:"sub"`
	Email             string   `json:"email,omitempty"`
	PreferredUsername string   `json:"preferred_username,omitempty"`
	Groups            []string `json:"groups,omitempty"`
	IssuedAt          int64    `json:"iat,omitempty"`
	ExpiresAt         int64    `json:"exp,omitempty"`
}

// assertion says to one audience, an upstream's URL, who somebody is; "" where there is no key. Its error is that their groups are too
// many, or that something is wrong here.
func (p *Proxy) assertion(s *session.Session, r *rules, audience string) (string, error) {
	if len(p.assertions.keys()) == 0 { // before the claims are made
		return "", nil
	}
	groups := p.groupsOf(s, r).names
	text, err := p.assertions.of(asserted{
		Audience: audience, Subject: s.User, Email: s.Email, PreferredUsername: s.PreferredUsername, Groups: p.groupsToForward(groups, r),
	})
	if err == nil && len(text) > maxGroupsHeader {
		return "", tooManyGroups(len(groups), len(text))
	}
	return text, err
}

// of gives an assertion of the claims, one from before where it is still good.
func (a *assertions) of(claims asserted) (string, error) {
	keys := a.keys()
	if len(keys) == 0 {
		return "", nil
	}
	claims.Issuer = a.issuer
	unsigned, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("writing assertion: %w", err)
	}
	name := sha256.Sum256(append(unsigned, keys[0].KeyID...))
	if text, known := a.known(name); known {
		return text, nil
	}
	signed, err := claims.sign(&keys[0])
	if err != nil {
		return "", fmt.Errorf("signing assertion: %w", err)
	}
	a.remember(name, signed)
	return signed.text, nil
}

func (c asserted) sign(key *jose.JSONWebKey) (assertion, error) {
	now := time.Now()
	expires := now.Add(assertionLifetime)
	c.IssuedAt, c.ExpiresAt = now.Unix(), expires.Unix()
	payload, err := json.Marshal(c)
	if err != nil {
		return assertion{}, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return assertion{}, err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return assertion{}, err
	}
	text, err := signed.CompactSerialize()
	return assertion{text, expires}, err
}

func (a *assertions) known(name [sha256.Size]byte) (string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	signed, known := a.recent[name]
	if !known {
		signed = a.before[name]
	}
	return signed.text, time.Until(signed.expires) >= assertionRest
}

// remember keeps an assertion. When the newer half is full, or as old as an assertion gets, it becomes the older one.
func (a *assertions) remember(name [sha256.Size]byte, signed assertion) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.recent == nil || a.bytes > maxAssertionBytes || time.Since(a.since) > assertionLifetime {
		a.before, a.recent = a.recent, map[[sha256.Size]byte]assertion{}
		a.bytes, a.since = 0, time.Now()
	}
	a.recent[name] = signed
	a.bytes += len(signed.text) + 2*len(name)
}

// jwks answers GET /oauth2/jwks, to everybody and under any host: upstreams reach doorward by a name of their own network.
func (p *Proxy) jwks(x *exchange, r *http.Request) error {
	x.rule = p.ownRule()
	x.refuseBody(r)
	if err := readOnly(r); err != nil {
		return err
	}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, key := range p.assertions.keys() {
		set.Keys = append(set.Keys, key.Public())
	}
	if len(set.Keys) == 0 {
		return notFound()
	}
	body, err := json.Marshal(set)
	if err != nil {
		return broken(err)
	}
	x.outcome = "jwks"
	noStore(x.Header())
	x.Header().Set("Cache-Control", "public, max-age="+strconv.Itoa(int(jwksMaxAge.Seconds())))
	x.send(r, http.StatusOK, "application/jwk-set+json", append(body, '\n')) // RFC 7517 8.5.2
	return nil
}
