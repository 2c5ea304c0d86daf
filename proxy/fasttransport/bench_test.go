//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package fasttransport_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"doorward/proxy/fasttransport"
)

// BenchmarkRoundTrip asks a lean upstream for 1 KiB, with the headers of a request that doorward forwards, here and through http.Transport.
// The upstream runs in the same process: what differs is what the transports cost.
func BenchmarkRoundTrip(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	go serveLean(listener)
	target := &url.URL{Scheme: "http", Host: listener.Addr().String()}
	standard := newStandard()
	for _, transport := range []struct {
		name string
		http.RoundTripper
	}{{"http.Transport", standard}, {"ours", fasttransport.New(target, newStandard(), none)}} {
		b.Run(transport.name, func(b *testing.B) { benchmark(b, transport, target) })
	}
}

func benchmark(b *testing.B, transport http.RoundTripper, target *url.URL) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String()+"/path?query=1", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header = http.Header{
		"Accept": {"text/html,application/xhtml+xml"}, "Accept-Encoding": {"gzip, deflate, br"}, "User-Agent": {"Mozilla/5.0 (X11; Linux x86_64)"},
		"Authorization": {"Bearer " + strings.Repeat("token", 200)}, "X-Forwarded-User": {"alice"}, "X-Forwarded-For": {"192.0.2.1"},
		"X-Forwarded-Host": {"app.example.com"}, "X-Forwarded-Proto": {"https"}, "X-Request-Id": {"0123456789abcdef"},
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		buffer := make([]byte, 32<<10)
		for pb.Next() {
			answer, err := transport.RoundTrip(r)
			if err != nil {
				b.Error(err)
				return
			}
			if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, answer.Body, buffer); n != 1024 || err != nil {
				b.Errorf("a body of %d bytes: %v", n, err)
				return
			}
			_ = answer.Body.Close()
		}
	})
}

// serveLean answers every request with 1 KiB, and looks for nothing but its end.
func serveLean(listener net.Listener) {
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024))
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			for requests := bufio.NewReader(conn); ; {
				line, err := requests.ReadSlice('\n')
				if err != nil {
					return
				}
				if len(line) == 2 {
					_, _ = conn.Write(answer)
				}
			}
		}()
	}
}

// newStandard is an http.Transport as doorward makes it for an upstream.
func newStandard() *http.Transport {
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    512,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
	}
}
