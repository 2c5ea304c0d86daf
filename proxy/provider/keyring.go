package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The rules by which keys are fetched (OIDC Core 10.1). go-oidc's own key set is not used: a fetch that hangs blocks everybody, and every forged
// token costs a fetch.
//
//   - A kid that is not in the set makes us fetch the set anew, but for the same kid not more often than renewPause, counted from
//     the last fetch that it caused, and for all of them together three times. The ordinary fetch does not count: a rotation right
//     after the start works. Nor does one that another kid or a wrong signature caused: a forged token alone cannot use up what
//     a rotation needs. Some can, until the pause is over: till then a refresh and a sign-out, of which a session ends or does not, are told that
//     the keys are too old to say (errOldKeys).
//   - A fetch that fails or finds no good key leaves the old keys in place.
//   - Keys are fetched anew when the answer that brought them says so (OIDC Core 10.1.1: Cache-Control), but at most once a minute,
//     since many servers say no-store of everything, and at least every quarter of an hour, since many say a day of everything.

const (
	keysMinAge = time.Minute
	keysMaxAge = 15 * time.Minute
	renewPause = 10 * time.Second
)

// keyring is the provider's key set as it is known now.
type keyring struct {
	cached *cached[keySet]
}

// fetchKeys asks the provider for its keys.
func (p *Provider) fetchKeys(ctx context.Context) (set keySet, fresh time.Duration, err error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return set, 0, err
	}
	got, err := p.client.get(ctx, "jwks", p.addresses.reach(m.JWKSURL))
	if err != nil {
		return set, 0, &Error{Kind: KindUnavailable, cause: err}
	}
	if set, err = parseKeys(got.body); err != nil {
		return set, 0, &Error{Kind: KindInvalidMetadata, cause: err}
	}
	return set, got.freshFor(keysMinAge, keysMaxAge), nil
}

// errOldKeys comes with the verdict that no key made a signature, where the keys were fetched before the token came, and not since: others have had
// them fetched lately.
var errOldKeys = errors.New("the keys were fetched just before, for another token")

// verify checks the token's signature and gives its payload. An *Error means that the keys cannot be had; every
// other error that no key of the provider made the signature.
func (k *keyring) verify(ctx context.Context, t *token) ([]byte, error) {
	came := time.Now()
	set, err := k.cached.get(ctx)
	for renewed := 0; ; renewed++ {
		if err != nil {
			return nil, asError(err)
		}
		payload, known := t.verifyWith(set.keys)
		if payload != nil {
			return payload, nil
		}
		// Twice: a fetch that was under way already may have begun before the provider changed its keys.
		if renewed == 2 {
			return nil, k.unverified(set, t, known, came)
		}
		reason := "unknown key " + t.header.keyID
		if known {
			reason = "wrong signature" // a provider that starts anew may give a new key the name of an old one
		}
		set, err = k.cached.renew(ctx, reason, renewPause)
	}
}

// unverified says why no key has verified a token that came then. Of a key that is not known nothing is said while the set cannot be had anew: the
// provider may have changed its keys, and a session whose tokens they sign is not to end for that.
func (k *keyring) unverified(set keySet, t *token, known bool, came time.Time) error {
	why := set.unverified(t, known)
	if _, err := k.cached.state(); err != nil && !known {
		return fail(KindUnavailable, "%w, and its keys cannot be had anew: %w", why, err)
	}
	if !k.cached.isFrom(came) {
		return fmt.Errorf("%w; %w", why, errOldKeys)
	}
	return why
}

// unverified says why no key of the set has verified the token.
func (s keySet) unverified(t *token, known bool) error {
	if known {
		return errors.New("the signature is wrong: no key of the provider made it")
	}
	if err := s.useless[t.header.keyID]; err != nil {
		return fmt.Errorf("the provider's key with kid %s is of no use: %w", quoted(t.header.keyID), err)
	}
	return fmt.Errorf("no key of the provider has kid %s and is good for %s", quoted(t.header.keyID), t.header.algorithm)
}

// verifyWith tries every key that fits. known tells whether there was any.
func (t *token) verifyWith(keys []key) (payload []byte, known bool) {
	signed, err := jose.ParseSignedCompact(t.raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(t.header.algorithm)})
	if err != nil {
		return nil, true // no other key would help
	}
	for _, k := range keys {
		if !k.fits(t.header) {
			continue
		}
		known = true
		if payload, err := signed.Verify(k.public); err == nil {
			return payload, true
		}
	}
	return nil, known
}
