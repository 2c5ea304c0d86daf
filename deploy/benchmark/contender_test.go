//go:build linux

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const toldOfAlice = "X-Forwarded-User: alice\r\nX-Forwarded-Groups: Admin,Dev\r\nAuthorization: Bearer eyJ\r\n"

// pretender answers as it is told to: a page, a redirect, and at /echo what the upstream is said to have got.
func pretender(t *testing.T, status, size int, location, echo string) string {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/echo" {
			fmt.Fprint(w, echo)
			return
		}
		if location != "" {
			w.Header().Set("Location", location)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, strings.Repeat("x", size))
	}))
	t.Cleanup(site.Close)
	return site.URL
}

func TestWhoDoesNotDoTheWorkIsNotMeasured(t *testing.T) {
	for name, c := range map[string]struct {
		status, size   int
		location, echo string
		proves         bool
	}{
		"the upstream's answer":        {http.StatusOK, 1 << 10, "", toldOfAlice, true},
		"another answer":               {http.StatusOK, 1000, "", toldOfAlice, false},
		"an error":                     {http.StatusUnauthorized, 1 << 10, "", toldOfAlice, false},
		"the upstream knows nobody":    {http.StatusOK, 1 << 10, "", "", false},
		"the upstream gets no token":   {http.StatusOK, 1 << 10, "", strings.ReplaceAll(toldOfAlice, "Bearer", "Basic"), false},
		"the upstream knows no groups": {http.StatusOK, 1 << 10, "", strings.ReplaceAll(toldOfAlice, "Groups", "Group"), false},
		"the upstream knows another":   {http.StatusOK, 1 << 10, "", strings.ReplaceAll(toldOfAlice, "alice", "bob"), false},
	} {
		url := pretender(t, c.status, c.size, c.location, c.echo)
		err := (&contender{name: name, url: url + "/", echo: url + "/echo", status: http.StatusOK}).prove()
		if (err == nil) != c.proves {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARedirectHasToLeadToTheProvider(t *testing.T) {
	for location, proves := range map[string]bool{"http://provider/authorize?x": true, "http://elsewhere/authorize?x": false, "": false} {
		url := pretender(t, http.StatusSeeOther, 0, location, "")
		err := (&contender{url: url, status: http.StatusSeeOther, leads: "http://provider/authorize?"}).prove()
		if (err == nil) != proves {
			t.Errorf("a redirect to %q: %v", location, err)
		}
	}
}
