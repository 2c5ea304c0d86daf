//go:build unix

package watchtest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"time"

	"doorward/proxy/providertest"
)

// A Visitor is a person with a browser of their own.
type Visitor struct {
	Name string

	i    *Installation
	jar  *forgetfulJar
	http *http.Client
}

// Visitor is a person whom the provider knows, who is signed in nowhere.
func (i *Installation) Visitor(name string) *Visitor {
	jar, _ := cookiejar.New(nil)
	v := &Visitor{Name: name, i: i, jar: &forgetfulJar{Jar: jar}, http: i.client()}
	v.http.Jar = v.jar
	v.http.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if q := r.URL.Query(); q.Has("client_id") {
			q.Set("login_hint", name)
			r.URL.RawQuery = q.Encode()
		}
		return nil
	}
	if !slices.ContainsFunc(providertest.Users(), func(u providertest.User) bool { return u.Subject == name }) {
		i.Provider.AddUser(providertest.User{Subject: name, Groups: []string{"Dev"}})
	}
	return v
}

// forgetfulJar keeps cookies, but, where it is told to, not those of sessions.
type forgetfulJar struct {
	*cookiejar.Jar
	forgets bool
}

func (j *forgetfulJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	if j.forgets {
		cookies = slices.DeleteFunc(cookies, func(c *http.Cookie) bool { return !strings.Contains(c.Name, "-login-") })
	}
	j.Jar.SetCookies(u, cookies)
}

// SignedIn is a person who has signed in.
func (i *Installation) SignedIn(name string) *Visitor {
	i.t.Helper()
	v := i.Visitor(name)
	v.Open("/", http.StatusOK)
	return v
}

// Open goes to a path, through a login if need be, and ends the test when the answer at the end has another status.
func (v *Visitor) Open(path string, want int) string {
	v.i.t.Helper()
	return v.ask(http.MethodGet, path, want, "")
}

// Post posts an empty form, as a page of an origin does; of this one where it is "".
func (v *Visitor) Post(path string, want int, origin string) string {
	v.i.t.Helper()
	if origin == "" {
		origin = "https://" + v.i.Addr
	}
	return v.ask(http.MethodPost, path, want, origin)
}

func (v *Visitor) ask(method, path string, want int, origin string) string {
	v.i.t.Helper()
	status, text, err := v.try(method, path, origin)
	if err != nil {
		v.i.t.Fatal(err)
	}
	if status != want {
		v.i.t.Fatalf("%s %s of %s is answered %d, want %d: %.2000s", method, path, v.Name, status, want, text)
	}
	return text
}

// try does so, and may be called in any goroutine.
func (v *Visitor) try(method, path, origin string) (status int, text string, err error) {
	r, err := http.NewRequestWithContext(v.i.t.Context(), method, "https://"+v.i.Addr+path, nil)
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	answer, err := v.http.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	return answer.StatusCode, readAll(answer), nil
}

// callback begins a login and gives the address to which the provider would send the browser back.
func (v *Visitor) callback() string {
	v.i.t.Helper()
	var location string
	browser := v.http
	waiting := *browser
	waiting.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/oauth2/callback" {
			location = r.URL.RequestURI()
			return http.ErrUseLastResponse
		}
		return browser.CheckRedirect(r, nil)
	}
	v.http = &waiting
	status, text, err := v.try(http.MethodGet, "/oauth2/start", "")
	v.http = browser
	if err != nil || location == "" {
		v.i.t.Fatalf("a login does not come back, but ends with %d, %v: %.500s", status, err, text)
	}
	return location
}

// WebSocket opens one, and gives its connection.
func (v *Visitor) WebSocket() net.Conn {
	v.i.t.Helper()
	conn := v.i.dial()
	_ = conn.SetDeadline(time.Now().Add(patience))
	var cookies []string
	for _, c := range v.jar.Cookies(&url.URL{Scheme: "https", Host: v.i.Addr, Path: "/"}) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: %[1]s\r\nOrigin: https://%[1]s\r\nCookie: %[2]s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", v.i.Addr, strings.Join(cookies, "; "))
	answer, err := http.ReadResponse(bufio.NewReaderSize(conn, 512), nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		v.i.t.Fatalf("opening a WebSocket: %v, %v", answer, err)
	}
	return conn
}

func (i *Installation) dial() net.Conn {
	i.t.Helper()
	conn, err := tls.Dial("tcp", i.Addr, &tls.Config{RootCAs: i.roots})
	if err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(func() { conn.Close() })
	return conn
}

// Call is a program's request, with header lines "Name: value".
func (i *Installation) Call(path string, want int, lines ...string) {
	i.t.Helper()
	r, err := http.NewRequestWithContext(i.t.Context(), http.MethodGet, "https://"+i.Addr+path, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	i.do(i.client(), r, want, lines)
}

func (i *Installation) do(client *http.Client, r *http.Request, want int, lines []string) {
	i.t.Helper()
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	answer, err := client.Do(r)
	if err != nil {
		i.t.Fatal(err)
	}
	defer answer.Body.Close()
	if text := readAll(answer); answer.StatusCode != want {
		i.t.Fatalf("%s %s is answered %d, want %d: %.2000s", r.Method, r.URL.Path, answer.StatusCode, want, text)
	}
}

// post posts a form to an address.
func (i *Installation) post(address string, form url.Values, want int, lines ...string) {
	i.t.Helper()
	r, err := http.NewRequestWithContext(i.t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		i.t.Fatal(err)
	}
	i.do(i.client(), r, want, append(lines, "Content-Type: application/x-www-form-urlencoded"))
}

func readAll(answer *http.Response) string {
	text, _ := io.ReadAll(answer.Body)
	return string(text)
}
