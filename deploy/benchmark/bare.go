//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"runtime"
	"sync"
	"time"
)

// serveBare is what doorward is measured by: httputil.ReverseProxy with connections that are kept and memory that is used again, and
// nothing else. What it has allocated is told at an address of its own, between the rounds. It serves until ctx ends.
func serveBare(ctx context.Context, addr, metrics, upstream string) error {
	target, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, Handler: &httputil.ReverseProxy{
		Transport:  &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true},
		BufferPool: &buffers{},
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(target) },
	}}
	beside := &http.Server{Addr: metrics, ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(tellMallocs)}
	context.AfterFunc(ctx, func() { server.Close(); beside.Close() })
	go func() { _ = beside.ListenAndServe() }()
	_ = server.Serve(l)
	return nil
}

func tellMallocs(w http.ResponseWriter, _ *http.Request) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprintf(w, "# TYPE %s counter\n%s %d\n", mallocsName, mallocsName, m.Mallocs)
}

// buffers lends memory to copy bodies through.
type buffers struct{ pool sync.Pool }

const bufferSize = 32 << 10

func (b *buffers) Get() []byte {
	if buffer, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return buffer[:]
	}
	return make([]byte, bufferSize)
}

func (b *buffers) Put(buffer []byte) { b.pool.Put((*[bufferSize]byte)(buffer)) }
