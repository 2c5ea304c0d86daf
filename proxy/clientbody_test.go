package proxy

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// closing is a body of net/http's that is closed as soon as it has been read, because its answer is there.
type closing struct{ read bool }

func (c *closing) Read(b []byte) (int, error) {
	if c.read {
		return 0, http.ErrBodyReadAfterClose
	}
	c.read = true
	return copy(b, "x"), io.EOF
}

func (c *closing) Close() error { return nil }

// newBody is the body of a request that is under way.
func newBody(body io.ReadCloser) *clientBody {
	b := &clientBody{}
	b.begin(body, &connection{in: &http.Request{}})
	return b
}

// The Transport asks for more at the end of a body; an error then would end the connection in the middle of the answer.
func TestBodyEndsOnce(t *testing.T) {
	b := newBody(&closing{})
	body := b.send()
	for range 3 {
		if _, err := body.Read(make([]byte, 8)); err != io.EOF {
			t.Errorf("reading a body that has ended: %v", err)
		}
	}
	if b.broken.Load() {
		t.Error("it is said to be broken")
	}
	b.Close()
	if _, err := body.Read(make([]byte, 8)); err != io.EOF {
		t.Errorf("reading a body that has ended, as its request has: %v", err)
	}
}

// A body that is sent again is sent whole, however much of it was read before, and nothing of it goes to whoever was told to send it first.
func TestBodyThatIsSentAgain(t *testing.T) {
	const text = "a few words"
	for read := range len(text) + 1 {
		b := newBody(io.NopCloser(iotest.OneByteReader(strings.NewReader(text))))
		first := b.send()
		for range read {
			first.Read(make([]byte, 8))
		}
		first.Close()
		second := b.send()
		if n, err := first.Read(make([]byte, 8)); n != 0 || err == nil || err == io.EOF {
			t.Errorf("after %d bytes the first reads %d more: %v", read, n, err)
		}
		if got, err := io.ReadAll(second); string(got) != text || err != nil {
			t.Errorf("after %d bytes the second reads %q: %v", read, got, err)
		}
	}
}

// takesOver sees that the second try at "a few words" gets all of it, when the client sends the last.
func takesOver(t *testing.T, second io.Reader, client *io.PipeWriter) {
	t.Helper()
	go func() {
		client.Write([]byte("words"))
		client.Close()
	}()
	if got, err := io.ReadAll(second); string(got) != "a few words" || err != nil {
		t.Errorf("the second reads %q: %v", got, err)
	}
}

// The Transport that gave a connection up may be reading still, from a client that takes its time.
func TestBodyThatIsSentAgainWhileItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body, client := io.Pipe()
		b := newBody(body)
		first := b.send()
		go io.Copy(io.Discard, first)
		client.Write([]byte("a few "))
		synctest.Wait() // for the rest
		second := b.send()
		takesOver(t, second, client)
	})
}

// What is too much to be held is not sent again, not even if that shows only after another try has begun.
func TestLargeBodyIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body, client := io.Pipe()
		b := newBody(body)
		first := b.send()
		go io.ReadFull(first, make([]byte, maxHeld+1))
		client.Write(make([]byte, maxHeld))
		synctest.Wait()
		if !b.holds() {
			t.Fatal("it is said that it could not be sent again")
		}
		second := b.send()
		client.Write([]byte("x"))
		synctest.Wait()
		if n, err := second.Read(make([]byte, 8)); n != 0 || err == nil || err == io.EOF {
			t.Errorf("the second reads %d bytes: %v", n, err)
		}
		if b.holds() {
			t.Error("it is said that it could be sent again")
		}
	})
}

// Where it is read aside, nothing is lost to a try that had begun before that showed.
func TestBodyThatBecomesLargeWhileItIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body, client := io.Pipe()
		b := newBody(body)
		go io.Copy(io.Discard, b.sendAside())
		client.Write(make([]byte, maxHeld))
		synctest.Wait()
		second := b.sendAside()
		go func() {
			client.Write(make([]byte, maxHeld))
			client.Close()
		}()
		if n, err := io.Copy(io.Discard, second); n != 2*maxHeld || err != nil {
			t.Errorf("the second reads %d bytes: %v", n, err)
		}
		if b.holds() {
			t.Error("it is said that it could be sent again")
		}
		if n, err := b.sendAside().Read(make([]byte, 8)); n != 0 || err == nil || err == io.EOF {
			t.Errorf("a third reads %d bytes: %v", n, err)
		}
	})
}

// sendAside begins a try over a connection that is shared with others.
func (b *clientBody) sendAside() *sending {
	b.send()
	return b.given(true)
}

// A try that is given up reads no more, although the client is silent, and what comes is the next one's.
func TestBodyThatIsGivenUpWhileItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body, client := io.Pipe()
		b := newBody(body)
		first := b.sendAside()
		ended := make(chan error)
		go func() {
			_, err := io.Copy(io.Discard, first)
			ended <- err
		}()
		client.Write([]byte("a few "))
		synctest.Wait() // for the rest
		first.Close()
		if err := <-ended; !errors.Is(err, errGivenUp) {
			t.Errorf("the first ends with %v", err)
		}
		second := b.sendAside()
		takesOver(t, second, client)
	})
}

// net/http closes a body together with a connection that was of no use to it, and goes on with the same one over another.
func TestBodyGoesOnOverAnotherConnection(t *testing.T) {
	b := newBody(io.NopCloser(strings.NewReader("a few words")))
	sending := b.send()
	b.given(true)
	sending.Close()
	b.given(true)
	if got, err := io.ReadAll(sending); string(got) != "a few words" || err != nil {
		t.Errorf("it reads %q: %v", got, err)
	}
}

// An upstream is waited for once it has taken what was announced, and not while it takes the last of it, as where a body of an unknown length ends.
func TestUpstreamIsWaitedForOnceItHasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body, client := io.Pipe()
		b := newBody(body)
		b.connection.of, b.connection.in.ContentLength, b.connection.patience = &exchange{start: time.Now()}, 6, time.Second
		go client.Write([]byte("a word"))
		sending := b.send()
		if n, err := sending.Read(make([]byte, 8)); n != 6 || err != nil {
			t.Fatalf("it reads %d bytes: %v", n, err)
		}
		if b.connection.answerBy.Load() != notWaiting {
			t.Error("the upstream is waited for while it takes the last of the body")
		}
		go sending.Read(make([]byte, 8)) // which the Transport does when that has been written
		synctest.Wait()
		if b.connection.answerBy.Load() == notWaiting {
			t.Error("the upstream is not waited for when it has all of the body")
		}
		client.Close()
	})
}

// A connection may be closed already when a request is given it.
func TestBodyOverAClosedConnection(t *testing.T) {
	b := newBody(io.NopCloser(strings.NewReader("x")))
	sending := b.send()
	c := &quietConn{socket: noSocket{}, quiet: make(chan struct{}, 1)}
	c.Close()
	c.sends(sending)
	if n, err := sending.Read(make([]byte, 8)); !errors.Is(err, errGivenUp) {
		t.Errorf("it reads %d bytes: %v", n, err)
	}
}

// noSocket can be closed.
type noSocket struct{ socket }

func (noSocket) Close() error { return nil }

func TestBodyIsNotReadAfterItsRequest(t *testing.T) {
	b := newBody(io.NopCloser(strings.NewReader("x")))
	sending := b.send()
	b.Close()
	if n, err := sending.Read(make([]byte, 8)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("it reads %d bytes: %v", n, err)
	}
}
