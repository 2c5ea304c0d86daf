package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
)

// switches says whether a head asks for WebSocket, or answers that.
func switches(h http.Header) bool {
	return hasItem(h["Connection"], func(token string) bool { return token == "upgrade" }) && namesWebSocket(h)
}

// isWebSocket says whether a request asks for the one upgrade that passes.
func isWebSocket(r *http.Request) bool { return namesWebSocket(r.Header) }

func namesWebSocket(h http.Header) bool {
	upgrade := h.Get("Upgrade")
	return len(upgrade) == len("websocket") && strings.EqualFold(upgrade, "websocket") // by length, since ſ folds to s
}

// Hijack counts a WebSocket from its upgrade on, until it is served.
func (f *answerFilter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := f.exchange.Hijack()
	if err == nil {
		f.p.metrics.webSockets.Inc()
	}
	return conn, rw, err
}

// upgraded is a client's connection after an upgrade, on which use is noted.
type upgraded struct {
	net.Conn
	connection *connection
	early      *bufio.Reader // what the client sent behind its request
}

func (u upgraded) Read(b []byte) (n int, err error) {
	if waiting := u.early.Buffered(); waiting > 0 {
		n, err = u.early.Read(b[:min(len(b), waiting)])
	} else {
		n, err = u.Conn.Read(b)
	}
	if n > 0 {
		u.connection.move()
	}
	return n, err
}

func (u upgraded) Write(b []byte) (int, error) {
	u.connection.delivering.begin()
	n, err := u.Conn.Write(b)
	u.connection.delivering.end()
	if n > 0 {
		u.connection.move()
	}
	return n, err
}

// webSocketBuffer is what a WebSocket holds for each way. Most are idle; io.Copy would hold 32 KiB.
const webSocketBuffer = 4 << 10

// ReadFrom is used by io.Copy, for what the upstream says.
func (u upgraded) ReadFrom(upstream io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{u}, struct{ io.Reader }{upstream}, make([]byte, webSocketBuffer))
}

// WriteTo is used by io.Copy, for what the client says.
func (u upgraded) WriteTo(upstream io.Writer) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{upstream}, struct{ io.Reader }{u}, make([]byte, webSocketBuffer))
}

// CloseWrite tells the client that the upstream will say no more. The client may still speak.
func (u upgraded) CloseWrite() error { return closeWrite(u.Conn) }
