package main

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// The service manager hears when requests are welcome, and when that ends.
func TestServiceManagerIsTold(t *testing.T) {
	servable(t, "http://127.0.0.1:8080")
	address := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Skipf("needs datagrams on a path: %v", err)
	}
	defer socket.Close()
	socket.SetReadDeadline(time.Now().Add(10 * time.Second))
	t.Setenv("NOTIFY_SOCKET", address)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, nil, io.Discard, io.Discard) }()
	heard := func() string {
		message := make([]byte, 1024)
		n, err := socket.Read(message)
		if err != nil {
			t.Fatal(err)
		}
		return string(message[:n])
	}
	if got := heard(); got != "READY=1" {
		t.Errorf("at the start it heard %q", got)
	}
	stop()
	if got := heard(); got != "STOPPING=1" {
		t.Errorf("at the end it heard %q", got)
	}
	if status := <-ended; status != exitOK {
		t.Errorf("status %d", status)
	}
}

func TestServiceManagerThatCannotBeToldIsAnError(t *testing.T) {
	if err := manager(filepath.Join(t.TempDir(), "nobody")).tell("READY=1"); err == nil {
		t.Error("nobody listens, and there is no error")
	}
	if err := manager("").tell("READY=1"); err != nil {
		t.Errorf("without a service manager: %v", err)
	}
}
