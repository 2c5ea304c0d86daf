package proxy

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// room is a listener with a fixed number of seats. When all are taken, a new connection gets the seat of the one that has been idle for
// longest, since browsers keep connections that they may never use again. While none is idle, new connections wait unanswered: the first of
// them here, and the others in the kernel's queue, which costs no memory of ours.
type room struct {
	net.Listener
	seats int
	full  func() // is told when somebody has to wait

	mu      sync.Mutex
	changed sync.Cond // a seat became free or idle, or the room closed
	taken   int
	idle    list.List // of *seat, the longest idle first
	closed  bool
}

func newRoom(l net.Listener, seats int, full func()) *room {
	r := &room{Listener: l, seats: seats, full: full}
	r.changed.L = &r.mu
	return r
}

// Accept gives the next connection, once it has a seat.
func (r *room) Accept() (net.Conn, error) {
	conn, err := r.Listener.Accept()
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.makeSeat() {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	r.taken++
	return &seat{Conn: conn, room: r}, nil
}

// makeSeat waits for a free seat. It returns false when the room closes instead. The caller holds mu.
func (r *room) makeSeat() bool {
	for r.taken >= r.seats && !r.closed {
		if longest := r.idle.Front(); longest != nil {
			longest.Value.(*seat).free()
			continue
		}
		r.full()
		r.changed.Wait()
	}
	return !r.closed
}

// Close ends the listening; open connections stay.
func (r *room) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.changed.Broadcast()
	return r.Listener.Close()
}

// seat is a connection in the room.
type seat struct {
	net.Conn
	room *room

	// Both under the room's mu.
	idle *list.Element // nil while a request is going on, and before the first
	left bool
}

// seatOf is the seat of a connection of the server's; nil where there is no limit.
func seatOf(conn net.Conn) *seat {
	s, _ := belowTLS(conn).(*seat)
	return s
}

// belowTLS is what TLS goes over; the connection itself where it has none.
func belowTLS(conn net.Conn) net.Conn {
	if secure, ok := conn.(*tls.Conn); ok {
		return secure.NetConn()
	}
	return conn
}

// becomes notes what the server says of the connection.
func (s *seat) becomes(state http.ConnState) {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	s.stand()
	if state == http.StateIdle && !s.left {
		s.idle = s.room.idle.PushBack(s)
		s.room.changed.Signal()
	}
}

// Close closes the connection, and frees its seat.
func (s *seat) Close() error {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	return s.free()
}

// CloseWrite says that there is no more to come from here, which net/http and WebSockets do (TCP half-close).
func (s *seat) CloseWrite() error { return closeWrite(s.Conn) }

func closeWrite(conn net.Conn) error {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return http.ErrNotSupported
	}
	return half.CloseWrite()
}

// free closes the connection and gives its seat away, once. The caller holds mu.
func (s *seat) free() error {
	s.stand()
	if !s.left {
		s.left = true
		s.room.taken--
		s.room.changed.Signal()
	}
	return s.Conn.Close()
}

// stand takes the connection from those that are idle. The caller holds mu.
func (s *seat) stand() {
	if s.idle != nil {
		s.room.idle.Remove(s.idle)
		s.idle = nil
	}
}
