package proxy_test

import (
	"net/http/httptest"
	"testing"
)

// What the metrics listener says is of this moment, also where it has nothing to say, and so is what load balancers are told.
func TestAdminAnswersAreNotKept(t *testing.T) {
	s := newSite(t, nil)
	for _, ask := range []struct{ method, path string }{{"GET", "/metrics"}, {"GET", "/healthz"}, {"GET", "/readyz"}, {"GET", "/"}, {"POST", "/metrics"}} {
		w := httptest.NewRecorder()
		s.Proxy.Admin().ServeHTTP(w, httptest.NewRequest(ask.method, ask.path, nil))
		if got := w.Result().Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s %s: Cache-Control is %q", ask.method, ask.path, got)
		}
	}
	if got := s.rawGet("/oauth2/healthz").Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("the public health check: Cache-Control is %q", got)
	}
}
