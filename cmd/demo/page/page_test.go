package page

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func TestPolicyAllowsExactlyWhatThePageHas(t *testing.T) {
	files := fstest.MapFS{"a.html": {Data: []byte(`{{template "top" "A"}}<p>{{.}}</p>{{script}}{{template "bottom"}}`)}}
	w := httptest.NewRecorder()
	New(files, "if (1 < 2) alert('&')").Write(w, 418, "a.html", "<script>alert(1)</script>")
	policy := w.Header().Get("Content-Security-Policy")
	for _, element := range []string{"style", "script"} {
		found := regexp.MustCompile(`(?s)<` + element + `>(.*?)</` + element + `>`).FindStringSubmatch(w.Body.String())
		if found == nil || !strings.Contains(policy, element+"-src "+hash(found[1])) {
			t.Errorf("the %s of the page is not allowed by %s", element, policy)
		}
	}
	if w.Code != 418 || strings.Contains(w.Body.String(), "<p><script>") {
		t.Errorf("status %d, page %s", w.Code, w.Body)
	}
}

func TestBrokenPageIsNoHalfPage(t *testing.T) {
	files := fstest.MapFS{"a.html": {Data: []byte(`{{template "top" "A"}}half{{.Nothing}}`)}}
	w := httptest.NewRecorder()
	New(files, "").Write(w, 200, "a.html", struct{}{})
	if w.Code != 500 || strings.Contains(w.Body.String(), "half") {
		t.Errorf("status %d, page %s", w.Code, w.Body)
	}
}
