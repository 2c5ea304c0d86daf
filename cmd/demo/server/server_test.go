package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
)

func TestRunEndsStreamsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stream := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begun")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	done := make(chan error, 1)
	go func() { done <- Run(ctx, l, &http.Server{Handler: stream}) }()
	r, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	cancel()
	if body, err := io.ReadAll(r.Body); string(body) != "begun" || err != nil {
		t.Errorf("the stream ended with %q, %v", body, err)
	}
	if err := <-done; err != nil {
		t.Errorf("Run ended with %v", err)
	}
}
