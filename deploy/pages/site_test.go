// Package pages tests doorward's pages as people meet them: in a browser, at every step of a login, and wherever something is wrong.
package pages

import (
	"fmt"
	"net/http"
	"testing"

	"doorward/config"
	"doorward/deploy/deploytest"
)

// newSite is doorward in front of an application that has a plain page at every path.
func newSite(t *testing.T, settings func(*config.Config)) *deploytest.DemoSite {
	t.Helper()
	return deploytest.NewDemoSite(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><title>The application</title><p>The application`)
	}), settings)
}
