package flow

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"doorward/proxy/provider"
)

// attempt is one login as both sides saw it, from the first redirect to the session.
type attempt struct {
	wanted       string   // the path that was asked for without a session
	asked        *url.URL // the authorization request
	askedAt      time.Time
	loginCookies []*http.Cookie // that doorward set for the login under way

	loginPage string // where the provider sent the browser to sign in
	clicked   bool   // somebody did, rather than being known already

	back   url.Values // the callback's parameters
	backAt time.Time

	exchange exchange
	person   *provider.Person // nil unless the login succeeded

	cookies  []*http.Cookie // that doorward set at the end
	returned string         // where the browser was sent then
	doneAt   time.Time
}

// endpoint is where the provider takes authorization requests.
func (a *attempt) endpoint() string {
	return (&url.URL{Scheme: a.asked.Scheme, Host: a.asked.Host, Path: a.asked.Path}).String()
}

// exchange is a token request and its answer.
type exchange struct {
	form         url.Values
	client       string // of the Basic authentication
	status       int
	answer       []byte
	began, ended time.Time
}

// shelf holds a bounded number of logins; the oldest makes room for the newest. The zero value is ready to use.
type shelf struct {
	entries map[string]*attempt
	order   []string
}

func (s *shelf) put(key string, a *attempt) {
	s.drop(key)
	if len(s.order) == limit {
		s.drop(s.order[0])
	}
	if s.entries == nil {
		s.entries = map[string]*attempt{}
	}
	s.entries[key] = a
	s.order = append(s.order, key)
}

func (s *shelf) drop(key string) {
	delete(s.entries, key)
	s.order = slices.DeleteFunc(s.order, func(k string) bool { return k == key })
}
