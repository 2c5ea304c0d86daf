package deploytest

import (
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
)

// A StandIn takes the place of a server in front that cannot be installed here. It does what that server's manual, and where that is
// silent its source, says that it does with the configuration in the folder.
type StandIn struct {
	// OwnPages says whether a path leads to doorward without a question.
	OwnPages func(path string) bool
	// Ask makes the question about a request, for doorward at an address, host:port.
	Ask func(r *http.Request, doorward string) *http.Request
	// Yes says whether a status lets the request pass.
	Yes func(status int) bool
	// Drops says which headers of the client's do not reach the application.
	Drops func(name string) bool
	// ToApplication says which headers of a yes do.
	ToApplication func(name string) bool
	// ToBrowser picks those of the answer's cookies that go to the browser.
	ToBrowser func(cookies []string) []string
	// Refuse tells the client of a no.
	Refuse func(w http.ResponseWriter, r *http.Request, status int)
}

// Serve runs it in front of an installation.
func (s StandIn) Serve(f *Front) {
	f.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:"+f.Port)
	if err != nil {
		f.t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	_ = server.Listener.Close()
	server.Listener = listener
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.OwnPages(r.URL.Path) {
			passOn(f.Doorward, nil).ServeHTTP(w, r)
		} else {
			s.askFirst(w, r, f, client)
		}
	})
	server.Start()
	f.t.Cleanup(server.Close)
}

func (s StandIn) askFirst(w http.ResponseWriter, r *http.Request, f *Front, client *http.Client) {
	answer, err := client.Do(s.Ask(r, f.Doorward))
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer answer.Body.Close()
	if !s.Yes(answer.StatusCode) {
		s.Refuse(w, r, answer.StatusCode)
		return
	}
	maps.DeleteFunc(r.Header, func(name string, _ []string) bool { return s.Drops(name) })
	for name, values := range answer.Header {
		if s.ToApplication(name) {
			r.Header[name] = values
		}
	}
	passOn(f.Application, s.ToBrowser(answer.Header["Set-Cookie"])).ServeHTTP(w, r)
}

// passOn passes requests on as they are, and adds cookies to the answers.
func passOn(address string, cookies []string) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL.Scheme, pr.Out.URL.Host, pr.Out.Host = "http", address, pr.In.Host
			pr.Out.URL.RawQuery = pr.In.URL.RawQuery
			pr.SetXForwarded()
		},
		ModifyResponse: func(answer *http.Response) error {
			answer.Header["Set-Cookie"] = append(answer.Header["Set-Cookie"], cookies...)
			return nil
		},
	}
}

// Question makes one with the headers of a request's client, as servers in front do that pass all of them on.
func Question(r *http.Request, method, address string) *http.Request {
	u, err := url.Parse(address)
	if err != nil {
		panic(err) // of a test's own making
	}
	q := &http.Request{Method: method, URL: u, Host: u.Host, Header: r.Header.Clone()}
	for _, name := range []string{"Connection", "Upgrade", "Te", "Trailer", "Transfer-Encoding", "Content-Length"} {
		q.Header.Del(name)
	}
	client, _, _ := net.SplitHostPort(r.RemoteAddr)
	q.Header.Set("X-Forwarded-For", client)
	return q.WithContext(r.Context())
}

// OneOf says whether a header has one of the names.
func OneOf(names []string) func(string) bool {
	return func(name string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
	}
}
