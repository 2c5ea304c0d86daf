package proxy_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"doorward/config"
)

// An upstream may close a connection just as a request gets it. What was not written there is sent over another, whatever it would do if it
// were sent twice.
func TestRequestThatWasNotWrittenIsSentAgain(t *testing.T) {
	for name, test := range map[string]struct {
		method, body string
		gone         bool // the upstream, altogether
	}{
		"without a body": {method: http.MethodPost},
		"with a body":    {method: http.MethodPost, body: "a few words"},
		"DELETE":         {method: http.MethodDelete},
		"to nobody":      {method: http.MethodPost, gone: true},
	} {
		t.Run(name, func(t *testing.T) {
			closes, closed, offered := make(chan struct{}), make(chan struct{}), make(chan struct{})
			upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				conn, _, _ := http.NewResponseController(w).Hijack()
				defer conn.Close()
				answer(conn, r.Method+" "+string(body))
				if r.Header.Get("Name") == "first" {
					<-closes
					conn.Close()
					close(closed)
				}
			}))
			defer upstream.Close()
			s := public(t, func(c *config.Config) { c.Upstreams = upstream.URL })
			s.trace(map[string]*httptrace.ClientTrace{"first": {PutIdleConn: func(error) {
				close(closes)
				<-closed
				if test.gone {
					upstream.Listener.Close()
				}
				close(offered)
				<-time.After(100 * time.Millisecond) // in which the second request gets the connection, before anybody sees that it is closed
			}}, "second": {}})
			ask := func(name string, status int) {
				r, _ := http.NewRequestWithContext(t.Context(), test.method, s.URL, strings.NewReader(test.body))
				r.Header.Set("Name", name)
				got, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				defer got.Body.Close()
				text, err := io.ReadAll(got.Body)
				if got.StatusCode != status || err != nil || status == http.StatusOK && string(text) != test.method+" "+test.body {
					t.Errorf("the %s is answered %q (%d, %v)", name, text, got.StatusCode, err)
				}
			}
			var asking sync.WaitGroup
			defer asking.Wait()
			asking.Go(func() { ask("first", http.StatusOK) })
			<-offered
			if test.gone {
				ask("second", http.StatusBadGateway)
			} else {
				ask("second", http.StatusOK)
			}
		})
	}
}

// Over HTTP/2 a server that is about to close says up to which request it has served (GOAWAY, RFC 9113 6.8): those after that are sent again, and
// so is what it refuses (8.7). nginx does so after each thousand.
func TestRequestThatWasNotServedIsSentAgain(t *testing.T) {
	for name, refuse := range map[string]func(*http2.Framer, uint32) error{
		"it goes":    func(f *http2.Framer, _ uint32) error { return f.WriteGoAway(0, http2.ErrCodeNo, nil) },
		"it refuses": func(f *http2.Framer, id uint32) error { return f.WriteRSTStream(id, http2.ErrCodeRefusedStream) },
	} {
		for size, whole := range map[int]bool{1: true, 64 << 10: true, 64<<10 + 1: false} {
			t.Run(fmt.Sprint(name, ", ", size, " bytes"), func(t *testing.T) {
				listener, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer listener.Close()
				received := make(chan int, 1)
				go serveSecond(listener, refuse, received)
				s := public(t, func(c *config.Config) { c.Upstreams = "h2c://" + listener.Addr().String() })
				got, err := http.Post(s.URL, "text/plain", bytes.NewReader(make([]byte, size)))
				if err != nil {
					t.Fatal(err)
				}
				got.Body.Close()
				if want := map[bool]int{true: http.StatusOK, false: http.StatusBadGateway}[whole]; got.StatusCode != want {
					t.Fatalf("it is answered %d, want %d", got.StatusCode, want)
				}
				if whole {
					if n := <-received; n != size {
						t.Errorf("%d bytes of %d arrived", n, size)
					}
				}
			})
		}
	}
}

// serveSecond answers the second request that comes, and lets go of the first one when its body is there.
func serveSecond(listener net.Listener, refuse func(f *http2.Framer, id uint32) error, received chan<- int) {
	var mu sync.Mutex
	requests := 0
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			io.ReadFull(conn, make([]byte, len(http2.ClientPreface)))
			f := http2.NewFramer(conn, conn)
			f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
			f.WriteWindowUpdate(0, 1<<20)
			size := 0
			for {
				frame, err := f.ReadFrame()
				if err != nil {
					return
				}
				data, ok := frame.(*http2.DataFrame)
				if !ok {
					continue
				}
				size += len(data.Data())
				if !data.StreamEnded() {
					continue
				}
				mu.Lock()
				requests++
				first := requests == 1
				mu.Unlock()
				if first {
					refuse(f, data.StreamID)
					size = 0
					continue
				}
				received <- size
				var block bytes.Buffer
				hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
				f.WriteHeaders(http2.HeadersFrameParam{StreamID: data.StreamID, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
			}
		}()
	}
}
