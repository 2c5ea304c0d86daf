package backend

import (
	"context"
	"errors"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Assertions says by whom and for whom X-Doorward-Assertion must be signed. Without an Issuer none is looked at.
type Assertions struct {
	// Issuer is the first of doorward's PUBLIC_URL, compared exactly.
	Issuer string
	// KeysURL is where the backend itself reaches doorward's /oauth2/jwks.
	KeysURL string
	// Audience is the backend's own URL as doorward's UPSTREAMS has it.
	Audience string
}

var errNoAssertion = errors.New("reading the assertion: the request has none, or more than one")

// verifier checks signature, algorithm, issuer, audience and expiry. The keys are fetched with the first assertion, and again when one
// comes that is signed with a key that is not known, so that doorward can change its key at any time.
func (a Assertions) verifier(ctx context.Context) *oidc.IDTokenVerifier {
	if a.Issuer == "" {
		return nil
	}
	keys := oidc.NewRemoteKeySet(oidc.ClientContext(ctx, &http.Client{Timeout: fetchTimeout}), a.KeysURL)
	return oidc.NewVerifier(a.Issuer, keys, &oidc.Config{ClientID: a.Audience, SupportedSigningAlgs: []string{oidc.ES256}})
}

// asserted says of whom doorward's assertion speaks.
func (b *Backend) asserted(r *http.Request) (string, error) {
	lines := r.Header["X-Doorward-Assertion"]
	if b.assertions == nil || len(lines) != 1 {
		return "", errNoAssertion
	}
	token, err := b.assertions.Verify(r.Context(), lines[0])
	if err != nil {
		return "", err
	}
	return token.Subject, nil
}
