//go:build unix

package load

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// application says who is asking, keeps WebSockets open, and fails in every way that it is asked for.
func application() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("X-Forwarded-User")) })
	mux.HandleFunc("/ws", func(w http.ResponseWriter, _ *http.Request) {
		conn := take(w)
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		// Plainly: net would copy through a pipe in the kernel, which costs two more descriptors.
		_, _ = io.CopyBuffer(struct{ io.Writer }{conn}, struct{ io.Reader }{conn}, make([]byte, 512))
	})
	mux.HandleFunc("/fault/stalls", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for path, says := range faults() {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			conn := take(w)
			_, _ = io.WriteString(conn, says)
			if strings.Contains(path, "resets") {
				_ = conn.(*net.TCPConn).SetLinger(0)
			}
			_ = conn.Close()
		})
	}
	return mux
}

// faults are what the application says at a path, before it hangs up.
func faults() map[string]string {
	return map[string]string{
		"/fault/resets":          "",
		"/fault/resets-midway":   "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin",
		"/fault/says-too-much":   "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nshort, and the rest HTTP/1.1 200 OK\r\n\r\n",
		"/fault/says-too-little": "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort",
		"/fault/two-lengths":     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nshort",
		"/fault/broken-chunks":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
		"/fault/no-http":         "nonsense\r\n\r\n",
	}
}

// take takes the connection over.
func take(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	return conn
}

// A door leads to a server. While it is shut, whoever comes waits, and hears nothing.
type door struct {
	Addr string

	mu sync.RWMutex // is held for writing while the door is shut
}

func newDoor(t testing.TB, server string) *door {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	d := &door{Addr: listener.Addr().String()}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go d.lead(conn, server)
		}
	}()
	return d
}

func (d *door) Shut() { d.mu.Lock() }
func (d *door) Open() { d.mu.Unlock() }

func (d *door) lead(conn net.Conn, server string) {
	defer conn.Close()
	behind, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer behind.Close()
	go func() {
		defer behind.Close()
		_, _ = io.Copy(gated{behind, d}, conn)
	}()
	_, _ = io.Copy(gated{conn, d}, behind)
}

// gated writes while the door is open.
type gated struct {
	io.Writer
	door *door
}

func (g gated) Write(b []byte) (int, error) {
	g.door.mu.RLock()
	defer g.door.mu.RUnlock()
	return g.Writer.Write(b)
}
