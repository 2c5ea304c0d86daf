//go:build unix

package watchtest

import (
	"fmt"
	"io"
	"net"
	"net/http"
)

// application says who is asking, echoes on WebSockets, and fails where it is asked to.
func application() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("X-Forwarded-User")) })
	mux.HandleFunc("/ws", func(w http.ResponseWriter, _ *http.Request) {
		conn := take(w)
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		_, _ = io.Copy(conn, conn)
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", http.StatusInternalServerError) })
	mux.HandleFunc("/nonsense", func(w http.ResponseWriter, _ *http.Request) {
		conn := take(w)
		_, _ = io.WriteString(conn, "nonsense\r\n\r\n")
		conn.Close()
	})
	mux.HandleFunc("/slow/", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	return mux
}

// take takes the connection over.
func take(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	return conn
}
