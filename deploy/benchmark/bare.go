//go:build linux

package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// serveBare is what doorward is measured by: httputil.ReverseProxy with connections that are kept and memory that is used again, and
// nothing else. It serves until ctx ends.
func serveBare(ctx context.Context, addr, upstream string) error {
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
	context.AfterFunc(ctx, func() { server.Close() })
	_ = server.Serve(l)
	return nil
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
