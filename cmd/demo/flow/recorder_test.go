package flow

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"doorward/proxy/provider"
)

const issuer = "http://provider.example"

// newRecorder is one whose visitor is who the header User names.
func newRecorder() *Recorder {
	return NewRecorder(Options{Issuer: issuer, Callback: "http://app.example/oauth2/callback", User: func(r *http.Request) (string, error) {
		if user := r.Header.Get("User"); user != "" {
			return user, nil
		}
		return "", errors.New("nobody")
	}})
}

// login walks a login of that state past the recorder, as far as doorward lets it come.
func login(rec *Recorder, state, user string, accepted bool) {
	door := rec.Proxy(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			w.Header().Set("Location", issuer+"/authorize?"+url.Values{"state": {state}}.Encode())
			return
		}
		if accepted {
			rec.OnLogin(r, &provider.Person{Subject: user})
		}
	}))
	door.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	door.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/oauth2/callback?code=c&state="+state, nil))
}

// show opens the page as user.
func show(rec *Recorder, user string) *httptest.ResponseRecorder {
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/flow", nil)
	r.Header.Set("User", user)
	rec.ServeHTTP(w, r)
	return w
}

func TestLoginIsShownToItsUserAlone(t *testing.T) {
	rec := newRecorder()
	login(rec, "the-state-of-alice", "alice", true)
	if w := show(rec, "alice"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "the-state-of-alice") {
		t.Errorf("alice sees %d %s", w.Code, w.Body)
	}
	if w := show(rec, "bob"); w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "the-state-of-alice") {
		t.Errorf("bob sees %d %s", w.Code, w.Body)
	}
	if w := show(rec, ""); w.Code != http.StatusUnauthorized {
		t.Errorf("a stranger sees %d", w.Code)
	}
}

func TestRefusedLoginReplacesNothing(t *testing.T) {
	rec := newRecorder()
	login(rec, "first", "alice", true)
	login(rec, "second", "alice", false)
	if page := show(rec, "alice").Body.String(); !strings.Contains(page, "first") || strings.Contains(page, "second") {
		t.Error("the refused login is shown")
	}
}

func TestRecorderIsBounded(t *testing.T) {
	rec := newRecorder()
	for n := range limit + 10 {
		login(rec, "under-way-"+strconv.Itoa(n), "", false)
		login(rec, "finished-"+strconv.Itoa(n), "user-"+strconv.Itoa(n), true)
	}
	if len(rec.attempts.entries) > limit || len(rec.logins.entries) > limit {
		t.Errorf("%d logins under way and %d finished ones are kept", len(rec.attempts.entries), len(rec.logins.entries))
	}
	if show(rec, "user-0").Code != http.StatusNotFound || show(rec, "user-"+strconv.Itoa(limit+9)).Code != http.StatusOK {
		t.Error("it was not the oldest that went")
	}
}

func TestUnknownCallbackLeavesNoTrace(t *testing.T) {
	rec := newRecorder()
	rec.Proxy(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/oauth2/callback?state=made-up", nil))
	if len(rec.attempts.entries) != 0 {
		t.Error("a callback that nobody asked for is kept")
	}
}
