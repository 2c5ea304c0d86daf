//go:build linux

package systemd

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"doorward/config"
	"doorward/deploy/programtest"
)

// held is a socket that the test holds, as systemd does, while doorward comes and goes.
type held struct {
	t       *testing.T
	socket  *os.File
	address string
	env     []string
}

func hold(t *testing.T, upstream string) *held {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // the file is another descriptor of the same socket
	t.Cleanup(func() { socket.Close() })
	h := &held{t: t, socket: socket, address: l.Addr().String(), env: []string{"LISTEN_FDS=1", "LISTEN_FDNAMES=public"}}
	for _, setting := range []string{
		"METRICS_ADDR=127.0.0.1:" + programtest.FreePort(t), "PUBLIC_URL=http://" + h.address, "UPSTREAMS=" + upstream, "ACCESS_RULES=/ public",
		"ISSUER_URL=http://127.0.0.1:1", "CLIENT_ID=doorward", "CLIENT_SECRET=of the test", "COOKIE_SECRETS=" + config.NewSecret(),
		"SHUTDOWN_DELAY=0s", "ACCESS_LOG=off",
	} {
		h.env = append(h.env, "DOORWARD_"+setting)
	}
	return h
}

// start starts doorward, and returns how to stop it as systemd does: it is told, and has ended when stop returns.
func (h *held) start() (stop func()) {
	h.t.Helper()
	ready := h.listenForReady()
	program := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0"`, programtest.Doorward(h.t))
	program.ExtraFiles = []*os.File{h.socket}
	program.Env = append(h.env, "NOTIFY_SOCKET="+ready.LocalAddr().String())
	running := programtest.Run(h.t, program)
	ready.SetReadDeadline(time.Now().Add(patience))
	if _, err := ready.Read(make([]byte, 64)); err != nil {
		h.t.Fatalf("doorward does not say that it is ready: %v", err)
	}
	return func() {
		program.Process.Signal(syscall.SIGTERM)
		<-running.Done()
	}
}

// listenForReady is what doorward tells of itself (Type=notify).
func (h *held) listenForReady() *net.UnixConn {
	h.t.Helper()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: h.t.TempDir() + "/notify", Net: "unixgram"})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { socket.Close() })
	return socket
}

// load is a crowd of clients that ask again and again.
type load struct {
	mu       sync.Mutex
	answered int
	failures []string
}

func (l *load) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answered++; err != nil {
		l.failures = append(l.failures, err.Error())
	}
}

// run asks for the path until ctx ends. Without keeping connections, each request needs a new one, which somebody has to accept.
func (l *load) run(ctx context.Context, url string, keep bool) {
	transport := &http.Transport{DisableKeepAlives: !keep}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	for ctx.Err() == nil {
		l.note(ask(client, url))
		<-pace.C
	}
}

func ask(client *http.Client, url string) error {
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && string(body) != "the application" {
		err = fmt.Errorf("%d: %s", answer.StatusCode, body)
	}
	return err
}

// answers waits until the clients have got so many more.
func (l *load) answers(t *testing.T, more int) {
	t.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.answered
	}
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	before, deadline := count(), time.Now().Add(patience)
	for ; count() < before+more; <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d answers came", count()-before, more)
		}
	}
}

// The socket stays while doorward is started anew, so nobody is refused: who was in is served to the end, who comes meanwhile waits a moment.
func TestRestartRefusesNobody(t *testing.T) {
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			pause := time.NewTimer(200 * time.Millisecond) // longer than most restarts
			defer pause.Stop()
			<-pause.C
		}
		io.WriteString(w, "the application")
	}))
	defer application.Close()
	h := hold(t, application.URL)
	stop := h.start()
	ctx, end := context.WithCancel(t.Context())
	var crowd load
	var clients sync.WaitGroup
	for _, path := range []string{"/", "/", "/slow", "/slow"} {
		for _, keep := range []bool{true, false} {
			clients.Go(func() { crowd.run(ctx, "http://"+h.address+path, keep) })
		}
	}
	for range 5 {
		crowd.answers(t, 50)
		stop()
		stop = h.start()
	}
	crowd.answers(t, 50)
	end()
	clients.Wait()
	stop()
	t.Logf("%d requests during 5 restarts", crowd.answered)
	if len(crowd.failures) > 0 {
		t.Errorf("%d of %d requests failed: %q", len(crowd.failures), crowd.answered, crowd.failures[:min(3, len(crowd.failures))])
	}
}
