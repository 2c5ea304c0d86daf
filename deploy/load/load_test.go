//go:build unix

package load

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"doorward/deploy/programtest"
)

// scale is how much there is of everything.
type scale struct {
	webSockets, busy, people, slow, failing int
	lasts                                   time.Duration
}

// chosenScale is one that any machine bears, in half a minute. LOAD=full asks for the one of README.md.
func chosenScale() scale {
	if os.Getenv("LOAD") == "full" {
		return scale{webSockets: 5000, busy: 1000, people: 50, slow: 500, failing: 50, lasts: 60 * time.Second}
	}
	return scale{webSockets: 100, busy: 20, people: 5, slow: 20, failing: 10, lasts: 12 * time.Second}
}

// Whoever is signed in is served, whatever the application, the provider and strangers do meanwhile, and when all have left, nothing
// of it is left.
func TestLoadAndFaults(t *testing.T) {
	size, i := chosenScale(), install(t)
	var people, cookies []string
	for n := range size.people {
		people = append(people, fmt.Sprintf("person-%d", n))
		cookies = append(cookies, i.signedIn(people[n]))
	}
	before := i.usage()
	t.Logf("before: %v", before)
	for round := range 2 {
		t.Logf("round %d: %v", round+1, i.round(size, people, cookies))
		i.awaitRest(before)
		t.Logf("after it: %v", i.usage())
	}
}

// round lets everything happen at once, and gives what doorward holds meanwhile.
func (i *installation) round(size scale, people, cookies []string) usage {
	i.t.Helper()
	sockets := i.openWebSockets(size.webSockets, cookies)
	strangers := make(chan struct{})
	var there sync.WaitGroup
	there.Go(func() { i.slowloris(size.slow, strangers) })
	var failures atomic.Int64
	for n := range size.failing {
		there.Go(func() { i.askForFaults(cookies[n%len(cookies)], strangers, &failures) })
	}
	began := time.Now()
	crowd := i.crowd(people, cookies, size.busy)
	ticker := time.NewTicker(size.lasts / 4)
	defer ticker.Stop()
	<-ticker.C
	i.Door.Shut()
	refused := i.signInInVain(4)
	<-ticker.C
	peak := i.usage()
	<-ticker.C
	i.Door.Open()
	<-ticker.C
	crowd.Gone(i.t, time.Since(began))
	close(strangers)
	there.Wait()
	i.t.Logf("%d requests met a failing application; while the provider stalled, logins were answered %v", failures.Load(), <-refused)
	for _, conn := range sockets {
		if err := alive(conn); err != nil {
			i.t.Errorf("a WebSocket is no longer alive: %v", err)
			break
		}
	}
	for _, conn := range sockets {
		conn.Close()
	}
	i.signedIn("somebody-after")
	return peak
}

func (i *installation) openWebSockets(n int, cookies []string) []net.Conn {
	i.t.Helper()
	all := make([]net.Conn, n)
	var opening sync.WaitGroup
	for worker := range 20 {
		opening.Go(func() {
			for k := worker; k < n; k += 20 {
				conn, err := i.webSocket(cookies[k%len(cookies)])
				if err != nil {
					i.t.Errorf("opening WebSocket %d: %v", k, err)
					return
				}
				all[k] = conn
			}
		})
	}
	opening.Wait()
	if i.t.Failed() {
		i.t.FailNow()
	}
	return all
}

// slowloris keeps so many connections busy that never finish a header, and comes again when it is thrown out.
func (i *installation) slowloris(n int, until <-chan struct{}) {
	conns := make([]net.Conn, n)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		for k, conn := range conns {
			if conn != nil {
				if _, err := io.WriteString(conn, "X: y\r\n"); err == nil {
					continue
				}
				conn.Close()
			}
			if conn, err := net.Dial("tcp", i.Addr); err == nil {
				conns[k] = conn
				_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+i.Addr+"\r\n")
			}
		}
		select {
		case <-ticker.C:
		case <-until:
			for _, conn := range conns {
				if conn != nil {
					conn.Close()
				}
			}
			return
		}
	}
}

// askForFaults asks for each in turn. None may look like an answer that is whole, but for that which is.
func (i *installation) askForFaults(cookie string, until <-chan struct{}, met *atomic.Int64) {
	client := &http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	for {
		for path := range faults() {
			i.askForFault(client, path, cookie)
			met.Add(1)
		}
		i.askForFault(client, "/fault/stalls", cookie)
		select {
		case <-until:
			return
		default:
		}
	}
}

func (i *installation) askForFault(client *http.Client, path, cookie string) {
	r, _ := http.NewRequest(http.MethodGet, "http://"+i.Addr+path, nil)
	r.Header.Set("Cookie", cookie)
	answer, err := client.Do(r)
	if err != nil {
		return // it broke off
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	whole := path == "/fault/says-too-much" && string(body) == "short"
	if err == nil && answer.StatusCode == http.StatusOK && !whole {
		i.t.Errorf("%s looks whole: %q", path, body)
	}
}

// signInInVain has people come back from the provider while doorward cannot reach it, and gives how they were answered.
func (i *installation) signInInVain(n int) <-chan []string {
	answered := make(chan []string, 1)
	client := &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	go func() {
		defer client.CloseIdleConnections()
		all := make([]string, n)
		var coming sync.WaitGroup
		for k := range all {
			coming.Go(func() { all[k] = i.comeBack(client) })
		}
		coming.Wait()
		answered <- all
	}()
	return answered
}

// comeBack begins a login, and comes to the callback with a code that the provider would have to be asked about.
func (i *installation) comeBack(client *http.Client) string {
	began := time.Now()
	start, err := get(client, "http://"+i.Addr+"/oauth2/start", "")
	if err != nil {
		return err.Error()
	}
	to, err := start.Location()
	if err != nil || len(start.Cookies()) == 0 {
		return fmt.Sprintf("%d at the start", start.StatusCode)
	}
	login := start.Cookies()[0]
	back, err := get(client, "http://"+i.Addr+"/oauth2/callback?code=c&state="+to.Query().Get("state")+"&iss="+i.Provider.Issuer, login.Name+"="+login.Value)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d after %v", back.StatusCode, time.Since(began).Round(time.Second))
}

func get(client *http.Client, address, cookie string) (*http.Response, error) {
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Cookie", cookie)
	answer, err := client.Do(r)
	if err != nil {
		return nil, errors.New("no answer")
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer, err
}

// awaitRest waits until doorward holds as little as before, but for a few. The garbage collector comes every two minutes.
func (i *installation) awaitRest(before usage) {
	i.t.Helper()
	i.Application.Config.SetKeepAlivesEnabled(false) // doorward would keep idle connections for a minute and a half
	defer i.Application.Config.SetKeepAlivesEnabled(true)
	var now usage
	defer func() {
		if i.t.Failed() {
			i.t.Logf("it holds %v", now)
		}
	}()
	programtest.Await(i.t, i.t.Context(), 4*time.Minute, "doorward to give back what it held", func() bool {
		now = i.usage()
		return now.Goroutines <= before.Goroutines+20 && now.Descriptors <= before.Descriptors+20 && now.Heap <= before.Heap+64
	})
}
