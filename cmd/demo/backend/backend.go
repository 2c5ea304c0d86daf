// Package backend is the application behind doorward in the demo. It is an application of its own, which believes nobody:
// it lets its network be reached by anything, and looks for itself at the access token of every request. That is what an
// upstream has to do that can be reached past the proxy; one that cannot may read the identity headers instead.
//
// Being a program apart from doorward, it verifies tokens with go-oidc by itself and shares no code with the proxy.
package backend

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"doorward/cmd/demo/page"
)

//go:embed *.html
var templates embed.FS

//go:embed live.js
var script string

// adminGroup is the group that may see /admin/.
const adminGroup = "Admin"

// Options says whose tokens the backend accepts.
type Options struct {
	// Issuer is the provider that must have issued a token, compared exactly.
	Issuer string
	// ProviderURL is the origin at which the backend itself reaches the provider, where that is another than the
	// issuer's. Empty: the issuer's.
	ProviderURL string
	// Audience must be in a token's `aud`.
	Audience string
	// Assertions says which of doorward's to believe.
	Assertions Assertions
	// Flow says that /flow exists beside this backend and is worth a link.
	Flow bool
}

// Backend is an http.Handler with all of the application's pages.
type Backend struct {
	http.Handler
	tokens     *tokens
	assertions *oidc.IDTokenVerifier // nil: none is looked at
	pages      *page.Set
	flow       bool
	started    time.Time
}

// New makes the application. The provider need not be up yet: its keys are fetched with the first token.
func New(o Options) (*Backend, error) {
	if o.Issuer == "" || o.Audience == "" {
		return nil, errors.New("setting up the backend: it needs an issuer and an audience")
	}
	if a := o.Assertions; a != (Assertions{}) && (a.Issuer == "" || a.KeysURL == "" || a.Audience == "") {
		return nil, errors.New("setting up the backend: assertions need an issuer, the URL of its keys and an audience")
	}
	provider, err := url.Parse(o.ProviderURL)
	if err != nil {
		return nil, fmt.Errorf("reading the provider's URL: %w", err)
	}
	b := &Backend{
		tokens:     newTokens(o.Issuer, o.Audience, provider),
		assertions: o.Assertions.verifier(context.Background()),
		pages:      page.New(templates, script),
		flow:       o.Flow,
		started:    time.Now(),
	}
	b.Handler = b.routes()
	return b, nil
}

func (b *Backend) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", b.signedIn(b.home))
	mux.Handle("GET /admin/", b.signedIn(b.admin))
	mux.Handle("GET /api/me", b.signedIn(b.me))
	mux.Handle("GET /events", b.signedIn(b.events))
	mux.Handle("GET /ws", b.signedIn(b.echo))
	mux.HandleFunc("GET /status", b.status)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		b.refuse(w, r, http.StatusNotFound, "There is no such page here.")
	})
	return mux
}

// signedIn lets next answer requests with a valid token and refuses all others, whatever other headers they bear.
func (b *Backend) signedIn(next func(http.ResponseWriter, *http.Request, *caller)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := b.tokens.verify(r)
		switch {
		case errors.Is(err, errNoProvider):
			w.Header().Set("Retry-After", "2")
			b.refuse(w, r, http.StatusServiceUnavailable, "The provider's keys cannot be had at the moment, so no token can be checked.")
		case err != nil:
			w.Header().Set("WWW-Authenticate", `Bearer realm="demo-backend"`)
			b.refuse(w, r, http.StatusUnauthorized, "This request carried no valid access token. Did it come past doorward?")
		default:
			next(w, r, who)
		}
	})
}

// refusal is what refusal.html shows.
type refusal struct {
	Status  int
	Title   string
	Message string
}

func (b *Backend) refuse(w http.ResponseWriter, r *http.Request, status int, message string) {
	if r.Header.Get("Sec-Fetch-Dest") == "document" || acceptsHTML(r) {
		b.pages.Write(w, status, "refusal.html", refusal{status, http.StatusText(status), message})
		return
	}
	writeJSON(w, status, map[string]string{"error": message})
}

// homePage is what home.html shows.
type homePage struct {
	Caller  *caller
	Headers []header
	Signed  string // of whom doorward's assertion speaks; empty where there is none that checks out
	Admin   bool
	Flow    bool
}

func (b *Backend) home(w http.ResponseWriter, r *http.Request, who *caller) {
	signed, _ := b.asserted(r)
	b.pages.Write(w, http.StatusOK, "home.html", homePage{who, headersOf(r), signed, who.in(adminGroup), b.flow})
}

func (b *Backend) admin(w http.ResponseWriter, r *http.Request, who *caller) {
	if !who.in(adminGroup) {
		b.refuse(w, r, http.StatusForbidden, "The access token does not name the group "+adminGroup+".")
		return
	}
	b.pages.Write(w, http.StatusOK, "admin.html", who)
}

func (b *Backend) me(w http.ResponseWriter, _ *http.Request, who *caller) {
	writeJSON(w, http.StatusOK, map[string]any{
		"user": who.User, "groups": slices.Concat([]string{}, who.Groups), "expires_at": who.Expires, "claims": who.raw,
	})
}

// statusPage is what status.html shows.
type statusPage struct {
	Up     time.Duration
	Caller *caller
}

// status is for everybody. Whoever is signed in is recognised all the same, when a token came along.
func (b *Backend) status(w http.ResponseWriter, r *http.Request) {
	who, _ := b.tokens.verify(r)
	b.pages.Write(w, http.StatusOK, "status.html", statusPage{time.Since(b.started).Truncate(time.Second), who})
}

// User says whom a request's access token speaks for, for a neighbour that wants to know as surely as the backend does.
func (b *Backend) User(r *http.Request) (string, error) {
	who, err := b.tokens.verify(r)
	if err != nil {
		return "", err
	}
	return who.User, nil
}
