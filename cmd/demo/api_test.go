package main

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// tokensOf signs somebody in and takes both tokens from the page that shows them.
func (v *visitor) tokensOf(user string) (access, id string) {
	v.t.Helper()
	_, page := v.signIn("/flow", user)
	for _, token := range regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`).FindAllString(page, -1) {
		payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		if strings.Contains(string(payload), `"`+audience+`"`) {
			access = token
		} else {
			id = token
		}
	}
	if access == "" || id == "" {
		v.t.Fatalf("the page does not show both tokens: %s", page)
	}
	return access, id
}

// A program that has somebody's access token of a real provider needs no browser; one that has the ID token has nothing.
func TestProgramWithAnAccessToken(t *testing.T) {
	d := start(t)
	for user, admin := range map[string]int{"alice": http.StatusOK, "bob": http.StatusForbidden} {
		access, id := d.visitor(t).tokensOf(user)
		for _, call := range []struct {
			path, token string
			status      int
		}{
			{"/api/me", access, http.StatusOK}, {"/oauth2/userinfo", access, http.StatusOK}, {"/admin/", access, admin},
			{"/api/me", id, http.StatusUnauthorized}, {"/api/me", access[:len(access)-4], http.StatusUnauthorized},
		} {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+call.path, nil)
			r.Header.Set("Authorization", "Bearer "+call.token)
			r.Header.Set("Accept", "application/json")
			status, body := d.visitor(t).read(http.DefaultClient.Do(r))
			if status != call.status {
				t.Errorf("%s of %s is answered %d: %s", call.path, user, status, body)
			}
			if status == http.StatusOK && !strings.Contains(body, user) {
				t.Errorf("%s does not know %s: %s", call.path, user, body)
			}
		}
	}
}
