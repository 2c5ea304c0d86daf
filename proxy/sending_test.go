package proxy_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

// A connection is offered to others before an answer without a body has arrived at its own request. What they find there says nothing of that.
func TestRequestIsNotSentAgainForAnother(t *testing.T) {
	var served atomic.Int32
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Name") == "first" {
			served.Add(1)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer upstream.Close()
	s := public(t, func(c *config.Config) { c.Upstreams = upstream.URL })
	offered := make(chan struct{})
	stalls := sync.OnceFunc(func() {
		close(offered)
		<-time.After(1500 * time.Millisecond) // in which the second request loses its patience
	})
	s.trace(map[string]*httptrace.ClientTrace{"zeroth": {}, "first": {PutIdleConn: func(error) { stalls() }}, "second": {}})
	ask := func(name string) {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader("pay once"))
		r.Header.Set("Name", name)
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return
		}
		got.Body.Close()
	}
	ask("zeroth") // so that the first is given a connection that has served
	var asking sync.WaitGroup
	asking.Go(func() { ask("first") })
	<-offered
	ask("second")
	asking.Wait()
	if n := served.Load(); n != 1 {
		t.Errorf("it was served %d times", n)
	}
}

// Over HTTP/2 a server that is about to close says up to which request it has served (GOAWAY, RFC 9113 6.8): those after that are sent again, and
// so is what it refuses (8.7). nginx does so after each thousand.
func TestRequestThatWasNotServedIsSentAgain(t *testing.T) {
	for name, letGo := range map[string]func(*http2.Framer, uint32) error{"it goes": goAway, "it refuses": reset(http2.ErrCodeRefusedStream)} {
		for size, whole := range map[int]bool{1: true, 64 << 10: true, 64<<10 + 1: false} {
			t.Run(fmt.Sprint(name, ", ", size, " bytes"), func(t *testing.T) {
				u := newLettingGo(t, 1, letGo)
				s := public(t, func(c *config.Config) { c.Upstreams = "h2c://" + u.Addr().String() })
				got, err := http.Post(s.URL, "text/plain", bytes.NewReader(make([]byte, size)))
				if err != nil {
					t.Fatal(err)
				}
				got.Body.Close()
				if (got.StatusCode == http.StatusOK) != whole {
					t.Fatalf("it is answered %d", got.StatusCode)
				}
				if sizes := u.sizes(); whole && (len(sizes) != 2 || sizes[1] != size) {
					t.Errorf("of %d bytes these arrived: %d", size, sizes)
				}
			})
		}
	}
}

// An upstream that lets go of everything is not asked for ever, and nothing with a body twice where it may have been served.
func TestUpstreamThatAlwaysLetsGo(t *testing.T) {
	for name, test := range map[string]struct {
		letGo func(*http2.Framer, uint32) error
		body  string
		most  int
	}{
		"it goes":                     {goAway, "pay once", 10},
		"it goes, and has no body":    {goAway, "", 20},
		"it refuses":                  {reset(http2.ErrCodeRefusedStream), "pay once", 10},
		"it complains":                {reset(http2.ErrCodeProtocol), "pay once", 1},
		"it complains of no body":     {reset(http2.ErrCodeProtocol), "", 20},
		"it breaks":                   {reset(http2.ErrCodeInternal), "pay once", 1},
		"it breaks, and has no body ": {reset(http2.ErrCodeInternal), "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			u := newLettingGo(t, 1_000_000, test.letGo)
			s := public(t, func(c *config.Config) { c.Upstreams = "h2c://" + u.Addr().String() })
			got, err := http.Post(s.URL, "text/plain", strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			got.Body.Close()
			if n := len(u.sizes()); got.StatusCode != http.StatusBadGateway || n > test.most {
				t.Errorf("it is answered %d after %d requests, want at most %d", got.StatusCode, n, test.most)
			}
		})
	}
}

func goAway(f *http2.Framer, _ uint32) error { return f.WriteGoAway(0, http2.ErrCodeNo, nil) }

func reset(code http2.ErrCode) func(*http2.Framer, uint32) error {
	return func(f *http2.Framer, id uint32) error { return f.WriteRSTStream(id, code) }
}

// lettingGo is an upstream that lets go of the first requests once they are whole, and answers the others. Where it says that one has begun, it
// lets go of the first ones then.
type lettingGo struct {
	net.Listener
	first int
	letGo func(f *http2.Framer, id uint32) error
	begun chan struct{}

	mu       sync.Mutex
	received []int // bytes of each request's body
}

func newLettingGo(t *testing.T, first int, letGo func(f *http2.Framer, id uint32) error) *lettingGo {
	t.Helper()
	u := &lettingGo{first: first, letGo: letGo}
	u.Listener = accept(t, func(conn net.Conn) { go u.serve(conn) })
	return u
}

func (u *lettingGo) sizes() []int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.received)
}

func (u *lettingGo) serve(conn net.Conn) {
	defer conn.Close()
	_, _ = io.ReadFull(conn, make([]byte, len(http2.ClientPreface)))
	f := http2.NewFramer(conn, conn)
	_ = f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	_ = f.WriteWindowUpdate(0, 1<<20)
	for size := 0; ; {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		enough := false
		if data, ok := frame.(*http2.DataFrame); ok {
			enough = size == 0 && u.begins()
			size += len(data.Data())
		}
		if _, ends := frame.(interface{ StreamEnded() bool }); ends && frame.Header().Flags.Has(http2.FlagDataEndStream) || enough {
			if u.answer(f, frame.Header().StreamID, size) != nil {
				return
			}
			size = 0
		}
	}
}

// begins says whether to let go of a request that has begun.
func (u *lettingGo) begins() bool {
	if u.begun == nil {
		return false
	}
	u.begun <- struct{}{}
	return len(u.sizes()) < u.first
}

func (u *lettingGo) answer(f *http2.Framer, id uint32, size int) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.received = append(u.received, size)
	if len(u.received) <= u.first {
		return u.letGo(f, id)
	}
	var block bytes.Buffer
	_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
}
