package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
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

// The Transport asks for more at the end of a body; an error then would end the connection in the middle of the answer.
func TestBodyEndsOnce(t *testing.T) {
	b := &clientBody{ReadCloser: &closing{}, connection: &connection{}}
	body := b.send()
	for range 3 {
		if _, err := body.Read(make([]byte, 8)); err != io.EOF {
			t.Errorf("reading a body that has ended: %v", err)
		}
	}
	if b.broken.Load() {
		t.Error("it is said to be broken")
	}
}

// A body that is sent again is sent whole, however much of it was read before, and nothing of it goes to whoever was told to send it first.
func TestBodyThatIsSentAgain(t *testing.T) {
	const text = "a few words"
	for read := range len(text) + 1 {
		b := &clientBody{ReadCloser: io.NopCloser(iotest.OneByteReader(strings.NewReader(text))), connection: &connection{}}
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

// The Transport that gave a connection up may be reading still, from a client that takes its time.
func TestBodyThatIsSentAgainWhileItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body, client := io.Pipe()
		b := &clientBody{ReadCloser: body, connection: &connection{}}
		first := b.send()
		go io.Copy(io.Discard, first)
		client.Write([]byte("a few "))
		synctest.Wait() // for the rest
		second := b.send()
		go func() {
			client.Write([]byte("words"))
			client.Close()
		}()
		if got, err := io.ReadAll(second); string(got) != "a few words" || err != nil {
			t.Errorf("the second reads %q: %v", got, err)
		}
	})
}

// What is too much to be held is not sent again, not even if that shows only after another try has begun.
func TestLargeBodyIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body, client := io.Pipe()
		b := &clientBody{ReadCloser: body, connection: &connection{}}
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

func TestBodyIsNotReadAfterItsRequest(t *testing.T) {
	b := &clientBody{ReadCloser: io.NopCloser(strings.NewReader("x")), connection: &connection{}}
	sending := b.send()
	b.latest.Store(nil)
	if n, err := sending.Read(make([]byte, 8)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("it reads %d bytes: %v", n, err)
	}
}
