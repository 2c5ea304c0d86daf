//go:build unix

package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"doorward/proxy/providertest"
)

// signedIn is the Cookie header of a person who has signed in.
func (i *installation) signedIn(person string) string {
	i.t.Helper()
	i.Provider.AddUser(providertest.User{Subject: person})
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar, Timeout: patience, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if q := r.URL.Query(); q.Has("client_id") {
			q.Set("login_hint", person)
			r.URL.RawQuery = q.Encode()
		}
		return nil
	}}
	r, _ := http.NewRequest(http.MethodGet, "http://"+i.Addr+"/", nil)
	r.Header.Set("Accept", "text/html")
	answer, err := client.Do(r)
	if err != nil {
		i.t.Fatal(err)
	}
	defer answer.Body.Close()
	if who, _ := io.ReadAll(answer.Body); string(who) != person {
		i.t.Fatalf("signing in as %s ends with %d: %s", person, answer.StatusCode, who)
	}
	var cookies []string
	for _, c := range jar.Cookies(&url.URL{Scheme: "http", Host: i.Addr, Path: "/"}) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	return strings.Join(cookies, "; ")
}

// webSocket opens one, and gives its connection.
func (i *installation) webSocket(cookie string) (net.Conn, error) {
	conn, err := net.Dial("tcp", i.Addr)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: %s\r\nOrigin: http://%s\r\nCookie: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		i.Addr, i.Addr, cookie)
	answer, err := http.ReadResponse(bufio.NewReaderSize(conn, 512), nil)
	if err == nil && answer.StatusCode != http.StatusSwitchingProtocols {
		err = fmt.Errorf("the answer is %s", answer.Status)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// alive says whether a WebSocket still echoes.
func alive(conn net.Conn) error {
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, "ping"); err != nil {
		return err
	}
	echo := make([]byte, 4)
	if _, err := io.ReadFull(conn, echo); err != nil || string(echo) != "ping" {
		return fmt.Errorf("it says %q: %w", echo, err)
	}
	return nil
}

// crowd are clients that ask again and again, each as soon as it has its answer.
type crowd struct {
	leave context.CancelFunc
	there sync.WaitGroup

	mu    sync.Mutex
	took  []time.Duration
	wrong map[string]int
}

// A crowd comes: every answer must name its person.
func (i *installation) crowd(people []string, cookies []string, size int) *crowd {
	ctx, leave := context.WithCancel(i.t.Context())
	c := &crowd{leave: leave, wrong: map[string]int{}}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: size, DisableCompression: true}}
	i.t.Cleanup(client.CloseIdleConnections)
	for n := range size {
		c.there.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				err := ask(client, "http://"+i.Addr+"/", cookies[n%len(cookies)], people[n%len(people)])
				c.note(time.Since(began), err)
			}
			client.CloseIdleConnections()
		})
	}
	return c
}

func ask(client *http.Client, address, cookie, want string) error {
	r, _ := http.NewRequest(http.MethodGet, address, nil)
	r.Header.Set("Cookie", cookie)
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err == nil && string(got) != want {
		err = fmt.Errorf("%s is answered %d, %.100q", want, answer.StatusCode, got)
	}
	return err
}

func (c *crowd) note(took time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took = append(c.took, took)
	if err != nil {
		c.wrong[err.Error()]++
	}
}

// Gone sends the crowd away, and tells what came of it.
func (c *crowd) Gone(t testing.TB, lasted time.Duration) {
	t.Helper()
	c.leave()
	c.there.Wait()
	slices.Sort(c.took)
	at := func(share float64) time.Duration {
		return c.took[int(share*float64(len(c.took)-1))].Round(time.Microsecond)
	}
	t.Logf("%d requests of people in %v, %.0f/s: half within %v, 99%% within %v, all within %v", len(c.took), lasted.Round(time.Second), float64(len(c.took))/lasted.Seconds(), at(0.5), at(0.99), at(1))
	for what, n := range c.wrong {
		t.Errorf("%d times: %s", n, what)
	}
}
