package deploytest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestBrowserSeesWhatAPersonSees drives the browser through a page with a form, a redirect and a refused script, so
// that a story that fails elsewhere is not the browser's fault.
func TestBrowserSeesWhatAPersonSees(t *testing.T) {
	site := httptest.NewServer(pages())
	defer site.Close()
	b := NewBrowser(t)

	if page := b.Open(site.URL + "/"); page.Status != http.StatusTeapot || page.Title != "Form" {
		t.Fatalf("opening the form shows %+v", page)
	}
	b.Screenshot("deploytest-form")
	b.Fill("#name", "alice")
	page := b.Press("Send it")
	if page.Status != http.StatusOK || page.URL != site.URL+"/answer?name=alice" || page.Text != "Hello alice" {
		t.Errorf("pressing the button shows %+v", page)
	}
	if len(b.Violations()) == 0 {
		t.Error("the script that the page's policy forbids went unnoticed")
	}
}

func pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "script-src 'none'")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, `<title>Form</title><form action="/send"><input id="name" name="name"><button>
			Send it </button></form><script>document.title = "changed"</script>`)
	})
	mux.HandleFunc("/send", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/answer?"+r.URL.RawQuery, http.StatusSeeOther)
	})
	mux.HandleFunc("/answer", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello %s", r.FormValue("name"))
	})
	return mux
}
