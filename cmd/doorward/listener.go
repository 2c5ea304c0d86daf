package main

import (
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// listener is a server with the socket that it serves.
type listener struct {
	server *http.Server
	socket net.Listener

	open  atomic.Int64  // connections
	ended chan struct{} // closed when the socket is accepted from no more
}

// newListener counts the server's connections, beside what it does with them itself.
func newListener(server *http.Server, socket net.Listener) *listener {
	l := &listener{server: server, socket: socket, ended: make(chan struct{})}
	notice := server.ConnState
	server.ConnState = func(conn net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			l.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			l.open.Add(-1)
		}
		if notice != nil {
			notice(conn, state)
		}
	}
	return l
}

func (l *listener) serve() error {
	defer close(l.ended)
	if l.server.TLSConfig != nil {
		return l.server.ServeTLS(l.socket, "", "")
	}
	return l.server.Serve(l.socket)
}

// hearFor is how long those who have connected may take to say what they want.
const hearFor = time.Second

// hearOut accepts nobody else, but still hears who has connected. [http.Server.Shutdown] hangs up on them in the middle of their first
// request, and where others take over the socket (handed.go) they would be the only ones to notice a restart.
func (l *listener) hearOut() {
	_ = l.socket.Close()
	<-l.ended
	l.server.SetKeepAlivesEnabled(false)
	deadline, ticker := time.NewTimer(hearFor), time.NewTicker(5*time.Millisecond)
	defer deadline.Stop()
	defer ticker.Stop()
	for l.open.Load() > 0 {
		select {
		case <-deadline.C:
			return
		case <-ticker.C:
		}
	}
}
