package proxy

import (
	"net"
	"net/http"
	"testing"
)

// knock opens a connection to a room, and gives its seat.
func knock(t *testing.T, r *room) *seat {
	t.Helper()
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	accepted, err := r.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	return seatOf(accepted)
}

// Whoever has been idle for longest goes first; who is at work, and who has not begun yet, stays.
func TestTheLongestIdleMakesRoom(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := newRoom(l, 4, func() { t.Error("somebody waits") })
	t.Cleanup(func() { r.Close() })
	silent, first, second, third := knock(t, r), knock(t, r), knock(t, r), knock(t, r)
	silent.becomes(http.StateNew)
	first.becomes(http.StateIdle)
	second.becomes(http.StateIdle)
	third.becomes(http.StateIdle)
	first.becomes(http.StateActive)
	first.becomes(http.StateIdle)
	third.becomes(http.StateActive)
	for _, want := range []*seat{second, first} {
		if want.left {
			t.Fatal("too early")
		}
		knock(t, r)
		if !want.left {
			t.Fatal("the longest idle did not make room")
		}
	}
	if silent.left || third.left || r.taken != 4 {
		t.Errorf("silent left: %v, active left: %v, %d seats taken", silent.left, third.left, r.taken)
	}
	first.Close() // as the server will
	if r.taken != 4 {
		t.Errorf("a seat is given away twice: %d are taken", r.taken)
	}
}
