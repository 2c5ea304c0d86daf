// Package flow shows a login step by step, with its real values: the tutorial of the demo. A Recorder stands before doorward
// and before the demo's provider, where it sees both sides of the conversation, and serves the page /flow as an upstream of
// doorward.
//
// The page shows what no log of doorward ever does: state, nonce, codes and tokens. It may, because they belong to the demo
// and to the person who looks at them: everybody is shown their own login alone.
package flow

import (
	"bytes"
	"embed"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"doorward/cmd/demo/page"
	"doorward/proxy/provider"
)

//go:embed *.html
var templates embed.FS

// limit bounds how many logins under way, and how many finished ones, are kept.
const limit = 100

// Options tells the recorder where to look.
type Options struct {
	// Issuer is the demo provider's.
	Issuer string
	// Callback is doorward's, the registered redirect_uri.
	Callback string
	// User says whom a request's access token speaks for. The page shows that person's last login.
	User func(*http.Request) (string, error)
}

// Recorder remembers the last login of each user.
type Recorder struct {
	options Options
	pages   *page.Set

	mu       sync.Mutex
	attempts shelf // by state
	logins   shelf // by user
}

// NewRecorder makes a recorder that has seen nothing yet.
func NewRecorder(o Options) *Recorder {
	return &Recorder{options: o, pages: page.New(templates, "")}
}

// Proxy records what doorward's handler does: redirects to the provider, and callbacks.
func (rec *Recorder) Proxy(doorward http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		back := r.URL.Path == pathOf(rec.options.Callback)
		if back {
			rec.update(r.URL.Query().Get("state"), func(a *attempt) { a.back, a.backAt = r.URL.Query(), time.Now() })
		}
		doorward.ServeHTTP(w, r)
		switch location := w.Header().Get("Location"); {
		case back:
			rec.finish(r.URL.Query().Get("state"), w.Header())
		case strings.HasPrefix(location, rec.options.Issuer):
			rec.begin(r, location, w.Header())
		}
	})
}

// begin records an authorization request: a redirect to the provider with a state.
func (rec *Recorder) begin(r *http.Request, location string, h http.Header) {
	asked, err := url.Parse(location)
	if err != nil || !asked.Query().Has("state") {
		return
	}
	a := &attempt{wanted: wanted(r), asked: asked, askedAt: time.Now(), loginCookies: setCookies(h)}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.attempts.put(asked.Query().Get("state"), a)
}

// wanted is the path that somebody asked for. A browser comes from there by way of doorward's start, with its fragment.
func wanted(r *http.Request) string {
	if rd := r.URL.Query().Get("rd"); rd != "" {
		return pathOf(rd)
	}
	return r.URL.Path
}

// OnLogin is for proxy.Options.OnLogin: it records the checks that doorward made of a login that succeeded.
func (rec *Recorder) OnLogin(r *http.Request, p *provider.Person) {
	rec.update(r.URL.Query().Get("state"), func(a *attempt) { a.person = p })
}

// finish records the session's cookies. From now on the login is its user's last one.
func (rec *Recorder) finish(state string, h http.Header) {
	rec.update(state, func(a *attempt) {
		if a.person == nil {
			return
		}
		a.cookies, a.doneAt, a.returned = setCookies(h), time.Now(), h.Get("Location")
		rec.attempts.drop(state)
		rec.logins.put(a.person.Subject, a)
	})
}

// Provider records what the demo provider does: its login page, and the token request.
func (rec *Recorder) Provider(demo http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/oauth/token":
			rec.recordExchange(w, r, demo)
		case "/authorize":
			demo.ServeHTTP(w, r)
			rec.update(r.URL.Query().Get("state"), func(a *attempt) { a.loginPage = w.Header().Get("Location") })
		case "/session/login":
			rec.recordSignIn(r)
			demo.ServeHTTP(w, r)
		default:
			demo.ServeHTTP(w, r)
		}
	})
}

// recordSignIn notes whether somebody had to click, or was known to the provider.
func (rec *Recorder) recordSignIn(r *http.Request) {
	id := r.FormValue("id")
	rec.mu.Lock()
	defer rec.mu.Unlock()
	for _, a := range rec.attempts.entries {
		if id != "" && strings.HasSuffix(a.loginPage, "id="+url.QueryEscape(id)) {
			a.clicked = a.clicked || r.Method == http.MethodPost
		}
	}
}

// recordExchange notes a token request and its answer.
func (rec *Recorder) recordExchange(w http.ResponseWriter, r *http.Request, demo http.Handler) {
	began := time.Now()
	r.ParseForm() // before the provider does, which works with a copy of r; a bad form is its business
	copied := &tee{ResponseWriter: w, status: http.StatusOK}
	demo.ServeHTTP(copied, r)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	for _, a := range rec.attempts.entries {
		if code := r.PostForm.Get("code"); code != "" && a.back.Get("code") == code {
			client, _, _ := r.BasicAuth()
			a.exchange = exchange{form: r.PostForm, client: client, status: copied.status, answer: copied.body.Bytes(), began: began, ended: time.Now()}
		}
	}
}

// update changes the login under way of that state, if there is one.
func (rec *Recorder) update(state string, change func(*attempt)) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if a := rec.attempts.entries[state]; a != nil {
		change(a)
	}
}

// last returns a copy of a user's last login.
func (rec *Recorder) last(user string) (attempt, bool) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	a := rec.logins.entries[user]
	if a == nil {
		return attempt{}, false
	}
	return *a, true
}

// tee keeps a copy of an answer.
type tee struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader notes the status.
func (t *tee) WriteHeader(status int) {
	t.status = status
	t.ResponseWriter.WriteHeader(status)
}

// Write notes the body.
func (t *tee) Write(p []byte) (int, error) { return io.MultiWriter(&t.body, t.ResponseWriter).Write(p) }

func pathOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Path
}

func setCookies(h http.Header) []*http.Cookie {
	return (&http.Response{Header: h}).Cookies()
}
