package proxy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"doorward/config"
	"doorward/deploy/certtest"
)

// An upstream that answers each request twice tells nobody what was meant for somebody else, whoever gets its connection next.
func TestSurplusOfAnAnswerIsNobodysAnswer(t *testing.T) {
	for name, secured := range map[string]bool{"http": false, "https": true} {
		t.Run(name, func(t *testing.T) {
			s := public(t, func(c *config.Config) { c.Upstreams = stutterer(t, secured) })
			var there sync.WaitGroup
			var whole atomic.Int64
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
			defer client.CloseIdleConnections()
			end := time.Now().Add(3 * time.Second)
			for who := range 32 {
				there.Go(func() {
					for i := 0; time.Now().Before(end) && !t.Failed(); i++ {
						name := fmt.Sprintf("%d-%d", who, i)
						r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/", strings.NewReader("body"))
						r.Header.Set("Name", name)
						answer, err := client.Do(r)
						if err != nil {
							continue
						}
						body, err := io.ReadAll(answer.Body)
						answer.Body.Close()
						if err == nil && answer.StatusCode == http.StatusOK {
							whole.Add(1)
							if string(body) != name {
								t.Errorf("%s is answered %q", name, body)
							}
						}
					}
				})
			}
			there.Wait()
			if whole.Load() < 100 {
				t.Errorf("%d answers were whole: this test tests nothing", whole.Load())
			}
		})
	}
}

// stutterer is the address of an upstream that says each answer, the name of who asked, twice.
func stutterer(t *testing.T, secured bool) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	address := "http://" + l.Addr().String()
	if secured {
		authority := certtest.New(t)
		pair := authority.Issue(2, time.Now().Add(time.Hour), "127.0.0.1").TLS(t)
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}})
		address = "https://" + l.Addr().String() + " ca=" + newFolder(t, authority.PEM).file()
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go stutter(conn)
		}
	}()
	return address
}

func stutter(conn net.Conn) {
	defer conn.Close()
	for requests := bufio.NewReader(conn); ; {
		r, err := http.ReadRequest(requests)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		name := r.Header.Get("Name")
		answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(name), name)
		_, _ = io.WriteString(conn, answer+answer)
	}
}
