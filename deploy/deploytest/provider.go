// Package deploytest is what the tests against real programs share: a browser to look through, and the story that every
// way to deploy doorward has to tell.
package deploytest

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// startLimit is how long a provider may take to start. Keycloak builds itself first, some 40 seconds on two cores.
const startLimit = 5 * time.Minute

// AwaitProvider returns when the issuer answers, and ends the test when that takes too long or the program ends first.
func AwaitProvider(t testing.TB, issuer string, running context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(running, startLimit)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for err := fetch(ctx, issuer); err != nil; err = fetch(ctx, issuer) {
		select {
		case <-ctx.Done():
			t.Fatalf("the provider did not start: %v", err)
		case <-ticker.C:
		}
	}
}

func fetch(ctx context.Context, issuer string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("discovery answers %s", answer.Status)
	}
	return nil
}
