package proxy

import (
	"io"
	"net/http"
	"testing"
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
	for range 3 {
		if _, err := b.Read(make([]byte, 8)); err != io.EOF {
			t.Errorf("reading a body that has ended: %v", err)
		}
	}
	if b.broken.Load() {
		t.Error("it is said to be broken")
	}
}
