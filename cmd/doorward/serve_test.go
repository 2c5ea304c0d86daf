package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestServePrintsEveryProblemOnALineOfItsOwn(t *testing.T) {
	environment(t, map[string]string{"ISSUER_URL": unset, "LOG_LEVEL": "loud"})
	for _, args := range [][]string{nil, {"serve"}} {
		status, out, errOut := command(t, args...)
		lines := strings.Split(strings.TrimSpace(errOut), "\n")
		if status != exitFailed || out != "" || len(lines) != 2 || !strings.HasPrefix(lines[0], "DOORWARD_ISSUER_URL: ") || !strings.HasPrefix(lines[1], "DOORWARD_LOG_LEVEL: ") {
			t.Errorf("%q: status %d, out %q, err %q", args, status, out, errOut)
		}
	}
}

func TestServeNamesTheSettingOfATakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	environment(t, map[string]string{"LISTEN_ADDR": "127.0.0.1:0", "METRICS_ADDR": taken.Addr().String()})
	if status, _, errOut := command(t, "serve"); status != exitFailed || !strings.HasPrefix(errOut, "DOORWARD_METRICS_ADDR: ") {
		t.Errorf("status %d, err %q", status, errOut)
	}
}

// slowUpstream answers when it is told to.
type slowUpstream struct {
	*httptest.Server
	arrived, release chan struct{}
}

func newSlowUpstream(t *testing.T) *slowUpstream {
	u := &slowUpstream{arrived: make(chan struct{}), release: make(chan struct{})}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(u.arrived)
		select {
		case <-u.release:
		case <-r.Context().Done():
		}
		io.WriteString(w, "done")
	}))
	t.Cleanup(u.Close)
	return u
}

// servable is an environment in which serve runs on free ports.
func servable(t *testing.T, upstream string) {
	environment(t, map[string]string{
		"PUBLIC_URL": "http://localhost", "LISTEN_ADDR": "127.0.0.1:0", "METRICS_ADDR": "127.0.0.1:0",
		"UPSTREAMS": upstream, "ACCESS_RULES": "/ public", "SHUTDOWN_DELAY": "0",
	})
}

// serving runs serve in this process until it is told to stop, or the test is over. Its exit status follows.
func serving(t *testing.T) (log *bufio.Scanner, stop func(), ended <-chan int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	reader, writer, err := os.Pipe() // which holds what the test does not read
	if err != nil {
		t.Fatal(err)
	}
	status := make(chan int, 1)
	go func() { defer close(status); status <- run(ctx, nil, writer, io.Discard); writer.Close() }()
	t.Cleanup(func() {
		stop()
		_, _ = io.Copy(io.Discard, reader)
		<-status
	})
	return bufio.NewScanner(reader), stop, status
}

type logLine struct {
	Event, Listen, Metrics, Says, Reason, Traces string
	Callbacks                                    []string `json:"callback_urls"`
	Status                                       int
}

// next reads the log up to the event.
func next(t *testing.T, log *bufio.Scanner, event string) logLine {
	t.Helper()
	for log.Scan() {
		var line logLine
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Fatalf("%v in %s", err, log.Text())
		}
		if line.Event == event {
			return line
		}
	}
	t.Fatalf("the log ended before %q: %v", event, log.Err())
	return logLine{}
}

// get asks as a browser at localhost would.
func get(address string) (int, string, error) {
	r, _ := http.NewRequest(http.MethodGet, "http://"+address, nil)
	r.Host = "localhost"
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

func TestServeUntilToldToStop(t *testing.T) {
	upstream := newSlowUpstream(t)
	servable(t, upstream.URL)
	log, stop, ended := serving(t)

	start := next(t, log, "start")
	if len(start.Callbacks) != 1 || start.Callbacks[0] != "http://localhost/oauth2/callback" {
		t.Errorf("callback URLs in the log: %q", start.Callbacks)
	}
	if status, _, err := get(start.Metrics + "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz after the start: %d, %v", status, err)
	}
	answered := make(chan string, 1)
	go func() { _, body, _ := get(start.Listen + "/slow"); answered <- body }()
	<-upstream.arrived
	if _, metrics, _ := get(start.Metrics + "/metrics"); !strings.Contains(metrics, `doorward_open_connections{kind="http"} 1`) {
		t.Error("the open connection is not counted")
	}
	go stdlog.Print(`Unsolicited response received on idle HTTP channel starting with "token"`) // as net/http does
	if says := next(t, log, "http_server").Says; !strings.HasPrefix(says, "Unsolicited") || strings.Contains(says, "token") {
		t.Errorf("the log says %q", says)
	}

	stop()
	next(t, log, "shutdown")
	if status, _, err := get(start.Metrics + "/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz while draining: %d, %v", status, err)
	}
	close(upstream.release)
	if body := <-answered; body != "done" {
		t.Errorf("the request in flight got %q", body)
	}
	if status := <-ended; status != exitOK {
		t.Errorf("status %d", status)
	}
	if _, _, err := get(start.Listen + "/"); err == nil {
		t.Error("still listening")
	}
}

// Who has connected may have sent a request that nobody has read yet: it is answered, and asked to go elsewhere with the next.
func TestWhoHasConnectedIsHeardAtAShutdown(t *testing.T) {
	upstream := newSlowUpstream(t)
	close(upstream.release)
	servable(t, upstream.URL)
	log, stop, ended := serving(t)
	start := next(t, log, "start")
	conn, err := net.Dial("tcp", start.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for metrics := ""; !strings.Contains(metrics, `doorward_open_connections{kind="http"} 1`); <-ticker.C {
		if _, metrics, err = get(start.Metrics + "/metrics"); err != nil {
			t.Fatal(err)
		}
	}

	stop()
	next(t, log, "shutdown")
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")

	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("the answer: %v", err)
	}
	if body, _ := io.ReadAll(answer.Body); string(body) != "done" || !answer.Close {
		t.Errorf("the answer is %q, and the connection closes: %v", body, answer.Close)
	}
	if status := <-ended; status != exitOK {
		t.Errorf("status %d", status)
	}
}

// A request that is still waiting for its upstream when the time is over gets an answer, the one that the log tells of.
func TestWhatIsCutOffAtAShutdownIsAnswered(t *testing.T) {
	slow := newSlowUpstream(t)
	servable(t, slow.URL)
	t.Setenv("DOORWARD_SHUTDOWN_TIMEOUT", "10ms")
	log, stop, ended := serving(t)
	start := next(t, log, "start")
	answered := make(chan int, 1)
	go func() { status, _, _ := get(start.Listen + "/slow"); answered <- status }()
	<-slow.arrived

	stop()
	next(t, log, "shutdown_timeout")
	if r := next(t, log, "request"); r.Status != http.StatusServiceUnavailable {
		t.Errorf("the log says %d", r.Status)
	}
	if status := <-answered; status != http.StatusServiceUnavailable {
		t.Errorf("the request got %d", status)
	}
	if status := <-ended; status != exitOK {
		t.Errorf("status %d", status)
	}
}

// A WebSocket would go on for ever: it ends when the listener closes, while a request in flight still has its time, and the log tells of it.
func TestWebSocketsEndAtAShutdown(t *testing.T) {
	slow := newSlowUpstream(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			slow.Config.Handler.ServeHTTP(w, r)
			return
		}
		if conn, err := websocket.Accept(w, r, nil); err == nil {
			conn.Read(r.Context())
		}
	}))
	t.Cleanup(upstream.Close)
	servable(t, upstream.URL)
	log, stop, ended := serving(t)
	start := next(t, log, "start")
	conn, _, err := websocket.Dial(t.Context(), "ws://"+start.Listen+"/ws", &websocket.DialOptions{Host: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	answered := make(chan string, 1)
	go func() { _, body, _ := get(start.Listen + "/slow"); answered <- body }()
	<-slow.arrived

	stop()

	if cut := next(t, log, "connection_cut"); cut.Reason != "shutdown" {
		t.Errorf("it is cut because of %q", cut.Reason)
	}
	if _, _, err := conn.Read(t.Context()); err == nil {
		t.Error("the WebSocket goes on")
	}
	close(slow.release)
	if body := <-answered; body != "done" {
		t.Errorf("the request in flight got %q", body)
	}
	if status := <-ended; status != exitOK {
		t.Errorf("status %d", status)
	}
}

// TestMain lets the test binary be the program, for tests that need a process.
func TestMain(m *testing.M) {
	if os.Getenv("BE_DOORWARD") != "" {
		os.Exit(run(context.Background(), nil, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// apart starts doorward in a process of its own.
func apart(t *testing.T) (process *exec.Cmd, log *bufio.Scanner) {
	t.Helper()
	t.Setenv("BE_DOORWARD", "yes")
	process = exec.CommandContext(t.Context(), os.Args[0])
	stdout, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	return process, bufio.NewScanner(stdout)
}

// SIGHUP during a shutdown, of a hook that meets a restart, ends nothing; a second SIGTERM ends it at once.
func TestSignalsDuringAShutdown(t *testing.T) {
	upstream := newSlowUpstream(t)
	servable(t, upstream.URL)
	t.Setenv("DOORWARD_SHUTDOWN_DELAY", "1h")
	process, log := apart(t)
	next(t, log, "start")
	process.Process.Signal(syscall.SIGTERM)
	next(t, log, "shutdown")
	process.Process.Signal(syscall.SIGHUP)
	next(t, log, "config_looked_at")
	process.Process.Signal(syscall.SIGTERM)
	err := process.Wait()
	status, ok := process.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("ended with %v", err)
	}
}
