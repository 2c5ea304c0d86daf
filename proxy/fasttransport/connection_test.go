//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package fasttransport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"doorward/proxy/fasttransport"
)

// What arrives on an idle connection, its end among it, is no answer to the next request.
func TestWhatArrivesOnAnIdleConnection(t *testing.T) {
	for name, act := range map[string]func(*visit){
		"an answer":      func(v *visit) { v.say(good("of somebody else")) },
		"a late byte":    func(v *visit) { v.say("x") },
		"408":            func(v *visit) { v.say("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n") },
		"the end":        func(v *visit) { _ = v.Close() },
		"half the end":   func(v *visit) { _ = v.CloseWrite() },
		"a reset":        func(v *visit) { v.reset() },
		"bytes and ends": func(v *visit) { v.say("x"); _ = v.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			read, acted := make(chan struct{}), make(chan struct{})
			u := newUpstream(t, func(v *visit) {
				v.next()
				v.say(good("hello"))
				if v.number > 1 {
					return
				}
				<-read
				act(v)
				close(acted)
				v.next()
			})
			transport := u.ours()
			if got := u.get(transport); got.body != "hello" {
				t.Fatalf("the first answer is %s", got)
			}
			close(read)
			<-acted
			if got := u.get(transport); got.body != "hello" || len(u.visits()) != 2 {
				t.Errorf("the next request gets %s on one of %d connections", got, len(u.visits()))
			}
		})
	}
}

// Who speaks before being asked is not believed, even on a new connection: the real answer would come to the next request.
func TestUpstreamThatSpeaksFirst(t *testing.T) {
	spoken := make(chan struct{})
	u := newUpstream(t, func(v *visit) {
		v.say(good("early"))
		close(spoken)
		v.next()
	})
	standard := u.standard()
	dial := standard.DialContext
	standard.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		<-spoken
		return conn, err
	}
	if got := u.get(fasttransport.New(u.URL, standard, none)); kind(got.err) != "bad answer" {
		t.Errorf("the answer is %s", got)
	}
	<-u.visits()[0].gone // its client has left
}

// An answer may come before the request has been read.
func TestAnswerBeforeTheRequestIsRead(t *testing.T) {
	u := newUpstream(t, func(v *visit) {
		for {
			if _, err := v.requests.ReadString('\n'); err != nil {
				return
			}
			v.say(good("early"))
			v.next()
		}
	})
	transport := u.ours()
	r := u.request(t.Context(), http.MethodGet, "/")
	for made, size := range []int{10_000, 1 << 20} { // the larger head is http.Transport's, on a connection of its own
		r.Header.Set("X", strings.Repeat("x", size))
		for range 3 {
			if got := ask(transport, r); got.body != "early" {
				t.Fatalf("the answer is %s", got)
			}
		}
		if n := len(u.visits()); n != made+1 {
			t.Errorf("there were %d connections", n)
		}
	}
}

// A connection that is lost before the first byte of an answer gets the request a second time, on a new one: a third time never.
func TestLostConnections(t *testing.T) {
	for name, test := range map[string]struct {
		lose  func(*visit)
		after int // connections that lose a request
		times int // that the upstream gets it
		want  string
	}{
		"once":                  {func(v *visit) { _ = v.Close() }, 1, 2, "hello"},
		"once, by a reset":      {func(v *visit) { v.reset() }, 1, 2, "hello"},
		"twice":                 {func(v *visit) { _ = v.Close() }, 2, 2, ""},
		"in the middle of head": {func(v *visit) { v.say("H"); _ = v.Close() }, 1, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan int, 10)
			u := newUpstream(t, func(v *visit) {
				for i := 0; ; i++ {
					head, ok := v.next()
					if !ok {
						return
					}
					if !strings.HasPrefix(head, "GET /first") {
						asked <- v.number
						if v.number <= test.after {
							test.lose(v)
							return
						}
					}
					v.say(good("hello"))
				}
			})
			transport := u.ours()
			ask(transport, u.request(t.Context(), http.MethodGet, "/first"))
			if got := u.get(transport); got.body != test.want || (got.err == nil) != (test.want != "") {
				t.Errorf("the answer is %s", got)
			}
			if len(asked) != test.times {
				t.Errorf("the upstream was asked %d times", len(asked))
			}
		})
	}
}

// Where the connection used last has been lost, the one before it will do.
func TestLostIdleConnections(t *testing.T) {
	u := answering(t, good("hello"), false)
	transport := u.ours()
	var answers []*http.Response
	for range 2 {
		answer, err := transport.RoundTrip(u.request(t.Context(), http.MethodGet, "/"))
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	for _, answer := range answers {
		_, _ = io.Copy(io.Discard, answer.Body)
	}
	_ = u.visits()[1].Close()
	if got := u.get(transport); got.body != "again" || len(u.visits()) != 2 {
		t.Errorf("the next request gets %s on one of %d connections", got, len(u.visits()))
	}
}

// An upstream that says nothing until there is no more time gets the request once.
func TestTimeoutsAreNotTriedAgain(t *testing.T) {
	u := newUpstream(t, func(v *visit) {
		v.next()
		v.say(good("hello"))
		v.next()
		v.next()
	})
	transport := u.ours()
	u.get(transport)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if got := ask(transport, u.request(ctx, http.MethodGet, "/")); kind(got.err) != "timeout" || len(u.visits()) != 1 {
		t.Errorf("the answer is %s, on the last of %d connections", got, len(u.visits()))
	}
}

// An upstream that takes nothing holds nobody who has no more time.
func TestUpstreamThatTakesNothing(t *testing.T) {
	finish := make(chan struct{})
	u := newUpstream(t, func(*visit) { <-finish })
	defer close(finish)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r := u.request(ctx, http.MethodGet, "/")
	r.Header.Set("X", strings.Repeat("x", 32<<20))
	if got := ask(u.ours(), r); kind(got.err) != "timeout" {
		t.Errorf("the answer is %s", got)
	}
}

// Who goes away is freed at once, wherever it is waiting, and so is the connection.
func TestCancellation(t *testing.T) {
	for name, said := range map[string]string{
		"before the answer":         "",
		"in the middle of the head": "HTTP/1.1 200 OK\r\nX:",
		"after hints":               "HTTP/1.1 103 Early Hints\r\n\r\n",
		"in the middle of the body": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
		"between chunks":            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"in an endless body":        "HTTP/1.1 200 OK\r\n\r\nhello",
	} {
		t.Run(name, func(t *testing.T) {
			arrived := make(chan struct{})
			u := newUpstream(t, func(v *visit) {
				v.next()
				v.say(said)
				close(arrived)
				v.next()
			})
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := make(chan reply)
			go func() { ended <- ask(u.ours(), u.request(ctx, http.MethodGet, "/")) }()
			<-arrived
			why := errors.New("why")
			cancel(why)
			if got := <-ended; got.err != why {
				t.Errorf("the answer is %s: %v", got, got.err)
			}
			<-u.visits()[0].gone
		})
	}
}

// Who has gone before asking asks nobody, and takes no idle connection along.
func TestCanceledBefore(t *testing.T) {
	u := answering(t, good("hello"), false)
	transport := u.ours()
	u.get(transport)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := ask(transport, u.request(ctx, http.MethodGet, "/")); got.err != context.Canceled {
		t.Errorf("the answer is %s", got)
	}
	if got := u.get(transport); got.body != "again" || len(u.visits()) != 1 {
		t.Errorf("the next request gets %s on one of %d connections", got, len(u.visits()))
	}
}

// A request whose context ends after its answer was read has nothing to do with the connection any more.
func TestCanceledAfterwards(t *testing.T) {
	u := answering(t, good("hello"), false)
	transport := u.ours()
	ctx, cancel := context.WithCancel(t.Context())
	ask(transport, u.request(ctx, http.MethodGet, "/"))
	cancel()
	if got := u.get(transport); got.body != "again" || len(u.visits()) != 1 {
		t.Errorf("the next request gets %s on one of %d connections", got, len(u.visits()))
	}
}

// Close before the end ends the connection, and frees whoever is reading. Nothing is drained, and nothing can be read afterwards.
func TestCloseBeforeTheEnd(t *testing.T) {
	for _, said := range []string{"", "hello"} {
		u := newUpstream(t, func(v *visit) {
			v.next()
			v.say("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + said)
			v.next()
		})
		answer, err := u.ours().RoundTrip(u.request(t.Context(), http.MethodGet, "/"))
		if err != nil {
			t.Fatal(err)
		}
		reading, read := make(chan struct{}), make(chan error)
		go func() {
			_, _ = io.ReadFull(answer.Body, make([]byte, len(said)))
			close(reading)
			_, err := answer.Body.Read(make([]byte, 10))
			read <- err
		}()
		<-reading
		for range 2 {
			if err := answer.Body.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
		}
		if err := <-read; err == nil {
			t.Error("more was read")
		}
		if n, err := answer.Body.Read(make([]byte, 10)); n != 0 || err != http.ErrBodyReadAfterClose {
			t.Errorf("read %d bytes afterwards: %v", n, err)
		}
		<-u.visits()[0].gone
	}
}

// A body that is closed with its last bytes in the buffer cannot be read on from there.
func TestCloseKeepsNothing(t *testing.T) {
	u := answering(t, good("hello"), false)
	transport := u.ours()
	answer, err := transport.RoundTrip(u.request(t.Context(), http.MethodGet, "/"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadFull(answer.Body, make([]byte, 2))
	_ = answer.Body.Close()
	if n, err := answer.Body.Read(make([]byte, 10)); n != 0 || err != http.ErrBodyReadAfterClose {
		t.Errorf("read %d bytes afterwards: %v", n, err)
	}
	if got := u.get(transport); got.body != "again" || len(u.visits()) != 2 {
		t.Errorf("the next request gets %s on one of %d connections", got, len(u.visits()))
	}
}

// Whatever is done to a body after its end touches nobody who has the connection by then.
func TestBodiesAreForgotten(t *testing.T) {
	for _, first := range []string{good("first"), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n"} {
		begun, goOn := make(chan struct{}), make(chan struct{})
		u := newUpstream(t, func(v *visit) {
			v.next()
			v.say(first)
			v.next()
			v.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
			close(begun)
			<-goOn
			v.say("again")
			v.next()
		})
		transport := u.ours()
		ctx, cancel := context.WithCancel(t.Context())
		old, err := transport.RoundTrip(u.request(ctx, http.MethodGet, "/"))
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(old.Body); string(body) != "first" || err != nil {
			t.Fatalf("the first answer is %q: %v", body, err)
		}
		answer, err := transport.RoundTrip(u.request(t.Context(), http.MethodGet, "/"))
		if err != nil {
			t.Fatal(err)
		}
		<-begun
		cancel()
		for range 2 {
			if n, err := old.Body.Read(make([]byte, 10)); n != 0 || err != io.EOF {
				t.Errorf("from a body that has ended come %d bytes, %v", n, err)
			}
			_ = old.Body.Close()
		}
		close(goOn)
		if body, err := io.ReadAll(answer.Body); string(body) != "helloagain" || err != nil {
			t.Errorf("the second answer is %q: %v", body, err)
		}
		if n := len(u.visits()); n != 1 {
			t.Errorf("there were %d connections", n)
		}
	}
}

// Read and Close may come from anywhere, at once: of each connection there is one owner.
func TestReadersAndClosers(t *testing.T) {
	u := newUpstream(t, func(v *visit) {
		for {
			head, ok := v.next()
			if !ok {
				return
			}
			path := strings.Fields(head)[1]
			v.say("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n")
			v.say(strings.Repeat(path[1:], 2000))
		}
	})
	transport := u.ours()
	var askers sync.WaitGroup
	for _, letter := range []string{"a", "b", "c", "d"} {
		askers.Go(func() {
			for range 200 {
				answer, err := transport.RoundTrip(u.request(t.Context(), http.MethodGet, "/"+letter))
				if err != nil {
					t.Errorf("asking: %v", err)
					return
				}
				var users sync.WaitGroup
				for range 3 {
					users.Go(func() {
						body, _ := io.ReadAll(answer.Body)
						if strings.Trim(string(body), letter) != "" {
							t.Errorf("%s got %q", letter, body)
						}
						_ = answer.Body.Close()
					})
				}
				users.Wait()
			}
		})
	}
	askers.Wait()
}

// What the limits keep is kept, not more.
func TestIdleConnectionsAreBounded(t *testing.T) {
	let := make(chan struct{})
	u := newUpstream(t, func(v *visit) {
		for {
			if _, ok := v.next(); !ok {
				return
			}
			<-let
			v.say(good("hello"))
		}
	})
	standard := u.standard()
	standard.MaxIdleConnsPerHost = 2
	transport := fasttransport.New(u.URL, standard, none)
	defer transport.CloseIdleConnections()
	var askers sync.WaitGroup
	for range 5 {
		askers.Go(func() { u.get(transport) })
	}
	until(t, func() bool { return len(u.visits()) == 5 })
	close(let)
	askers.Wait()
	until(t, func() bool { return open(u) == 2 })
	transport.CloseIdleConnections()
	until(t, func() bool { return open(u) == 0 })
}

// What becomes idle after CloseIdleConnections is closed too, until there is a next request.
func TestClosingIdleConnections(t *testing.T) {
	goOn := make(chan struct{})
	u := newUpstream(t, func(v *visit) {
		for {
			if _, ok := v.next(); !ok {
				return
			}
			v.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
			<-goOn
			v.say("hello")
		}
	})
	transport := u.ours()
	answer, err := transport.RoundTrip(u.request(t.Context(), http.MethodGet, "/"))
	if err != nil {
		t.Fatal(err)
	}
	transport.CloseIdleConnections()
	close(goOn)
	if body, err := io.ReadAll(answer.Body); string(body) != "hello" || err != nil {
		t.Errorf("the answer is %q: %v", body, err)
	}
	<-u.visits()[0].gone
	u.get(transport)
	u.get(transport)
	if n := len(u.visits()); n != 2 {
		t.Errorf("there were %d connections", n)
	}
}

// open counts the connections that are still there.
func open(u *upstream) int {
	n := 0
	for _, v := range u.visits() {
		select {
		case <-v.gone:
		default:
			n++
		}
	}
	return n
}

// until waits for what comes by itself.
func until(t *testing.T, true func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(20 * time.Second); !true(); <-ticker.C {
		if time.Now().After(end) {
			t.Fatal("waiting took too long")
		}
	}
}

// Errors of dialing are those of dialing.
func TestNobodyListens(t *testing.T) {
	u := newUpstream(t, func(*visit) {})
	transport := u.ours()
	u.close()
	got := u.get(transport)
	if operation, ok := errors.AsType[*net.OpError](got.err); !ok || operation.Op != "dial" || !errors.Is(got.err, syscall.ECONNREFUSED) {
		t.Errorf("the answer is %s: %v", got, got.err)
	}
}

// What is no socket cannot be listened to.
func TestNoSocket(t *testing.T) {
	u := newUpstream(t, func(*visit) {})
	standard := u.standard()
	here, there := net.Pipe()
	standard.DialContext = func(context.Context, string, string) (net.Conn, error) { return here, nil }
	if got := u.get(fasttransport.New(u.URL, standard, none)); kind(got.err) != "bad answer" {
		t.Errorf("the answer is %s", got)
	}
	if _, err := there.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection is still open: %v", err)
	}
}

// While one of two has a connection to spare, the other opens none.
func TestSpareConnections(t *testing.T) {
	u := answering(t, good("hello"), false)
	standard, spare := u.standard(), false
	transport := fasttransport.New(u.URL, standard, func() bool { return spare })
	defer transport.CloseIdleConnections()
	get := func(want string, conns int) {
		t.Helper()
		if got := u.get(transport); got.body != want || len(u.visits()) != conns {
			t.Errorf("GET gets %s on one of %d connections", got, len(u.visits()))
		}
	}
	get("hello", 1)
	if got := ask(transport, u.request(t.Context(), http.MethodOptions, "/")); got.body != "again" || len(u.visits()) != 2 {
		t.Errorf("OPTIONS gets %s on one of %d connections", got, len(u.visits()))
	}
	<-u.visits()[0].gone // to make way
	spare = true
	get("again", 2)
	spare = false
	get("again", 3)
	get("again", 3)
}

// A request that was lost with its connection is not the http.Transport's, which might repeat it again.
func TestLostConnectionsAreNotTriedElsewhere(t *testing.T) {
	u := newUpstream(t, func(v *visit) {
		for i := 0; ; i++ {
			if _, ok := v.next(); !ok || v.number == 1 && i == 1 {
				return
			}
			v.say(good("hello"))
		}
	})
	spare := false
	transport := fasttransport.New(u.URL, u.standard(), func() bool { return spare })
	defer transport.CloseIdleConnections()
	u.get(transport)
	spare = true
	if got := u.get(transport); got.body != "hello" {
		t.Errorf("it gets %s", got)
	}
	ask(transport, u.request(t.Context(), http.MethodOptions, "/")) // over the http.Transport
	if n := len(u.visits()); n != 3 {
		t.Errorf("there is a connection of the http.Transport's already, of %d", n)
	}
}
