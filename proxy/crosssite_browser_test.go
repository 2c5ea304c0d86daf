package proxy_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"doorward/config"
	"doorward/deploy/deploytest"
)

// elsewhere is a page of another origin, on the same site, so that cookies go along. It tries what a page can try, and says what came of it.
const elsewhere = `<!doctype html><p id="result"></p><script>
const door = %q, said = []
async function attempt(name, doing) {
	let result = "no"
	try { result = await doing() } catch {}
	said.push(name + " " + result)
}
(async () => {
	await attempt("reads", async () => (await (await fetch(door + "/x", {credentials: "include"})).json()).login_url)
	await attempt("converses", () => new Promise((yes, no) => {
		const socket = new WebSocket(door.replace(/^http/, "ws") + "/ws")
		socket.onopen = () => yes("yes")
		socket.onerror = no
	}))
	await attempt("posts", async () => (await fetch(door + "/posted", {method: "POST", credentials: "include", mode: "no-cors"})).type)
	result.textContent = said.join(", ")
})()
</script>`

// A real browser says what doorward goes by, and minds what it answers.
func TestBrowserOnAnotherOrigin(t *testing.T) {
	for name, allowed := range map[string]bool{"allowed": true, "foreign": false} {
		t.Run(name, func(t *testing.T) {
			other := httptest.NewUnstartedServer(nil)
			origin := "http://" + other.Listener.Addr().String()
			s := newSite(t, func(c *config.Config) {
				c.CsrfProtection = "writes"
				if allowed {
					c.AllowedOrigins = []string{origin}
				}
			})
			s.Upstream.Answer = func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Upgrade") != "" {
					if conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}); err == nil {
						conn.CloseNow()
					}
				}
			}
			other.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, elsewhere, s.URL) })
			other.Start()
			defer other.Close()
			b := deploytest.NewBrowser(t)
			try := func() string {
				b.Open(origin)
				b.WaitFor("#result")
				return b.Page().Text
			}

			before := try()
			b.Open(s.URL + "/")
			after := try()

			read, can := "no", "no"
			if allowed {
				read, can = s.URL+"/oauth2/start", "yes"
			}
			if want := "reads " + read + ", converses no, posts opaque"; before != want {
				t.Errorf("without a session the page says %q, want %q", before, want)
			}
			if want := "reads no, converses " + can + ", posts opaque"; after != want {
				t.Errorf("with a session the page says %q, want %q", after, want)
			}
			posted := 0
			for _, r := range s.Upstream.Received() {
				if strings.HasPrefix(r.URI, "/posted") {
					posted++
				}
			}
			if (posted == 1) != allowed || posted > 1 {
				t.Errorf("%d posts arrived", posted)
			}
		})
	}
}
