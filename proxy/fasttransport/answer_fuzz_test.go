//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package fasttransport

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// FuzzAnswer gives an upstream's bytes, in pieces, to one request, and asks again. Whatever is left of them never becomes the second answer,
// and where the second request went the same way, the bytes were one answer, by what a second reader says who shares no code with the first.
func FuzzAnswer(f *testing.F) {
	for _, bytes := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length : 5\r\nContent-Length: 2\r\n\r\nhello",
		"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
		"HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nX: y\r\n\r\n",
	} {
		for _, piece := range []byte{0, 6, 255} {
			f.Add(bytes, piece, false)
			f.Add(bytes, piece, true)
		}
	}
	silent, speaking := socketPair(f), socketPair(f)
	if _, err := syscall.Write(speaking[1], []byte("x")); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, bytes string, piece byte, head bool) {
		method := map[bool]string{false: http.MethodGet, true: http.MethodHead}[head]
		first := &fed{answers: []string{bytes, plain("again")}, piece: 1 + int(piece), silent: silent[0], speaking: speaking[0]}
		second := &fed{answers: []string{plain("fresh")}, piece: 100, silent: silent[0], speaking: speaking[0]}
		transport := newFed(first, second)
		_, _ = answerTo(t, transport, method)
		switch body, err := answerTo(t, transport, http.MethodGet); {
		case err != nil || body != "again" && body != "fresh":
			t.Errorf("after %q to %s the next answer is %q: %v", bytes, method, body, err)
		case body == "again" && !isOneAnswer(bytes, head):
			t.Errorf("after %q to %s the connection is used again", bytes, method)
		}
	})
}

func plain(body string) string {
	return "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// newFed is a Transport that gets these connections, one after the other.
func newFed(conns ...net.Conn) *Transport {
	standard := &http.Transport{MaxResponseHeaderBytes: 1 << 20, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Hour}
	standard.DialContext = func(context.Context, string, string) (net.Conn, error) {
		if len(conns) == 0 {
			return nil, net.ErrClosed
		}
		conn := conns[0]
		conns = conns[1:]
		return conn, nil
	}
	return New(&url.URL{Scheme: "http", Host: "upstream.test"}, standard, func() bool { return false })
}

func answerTo(t *testing.T, transport *Transport, method string) (string, error) {
	r, err := http.NewRequestWithContext(t.Context(), method, "http://upstream.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

// fed is a connection whose other end answers each request with the next of some bytes, and ends it when somebody waits for more.
type fed struct {
	net.Conn         // none
	answers          []string
	left             string
	piece            int
	ended            bool
	silent, speaking int // sockets in whose name Control speaks
}

func (f *fed) Write(b []byte) (int, error) {
	if f.ended || len(f.answers) == 0 {
		return 0, syscall.EPIPE
	}
	f.left, f.answers = f.left+f.answers[0], f.answers[1:]
	return len(b), nil
}

func (f *fed) Read(b []byte) (int, error) {
	if f.left == "" || f.ended {
		f.ended = true
		return 0, io.EOF
	}
	n := copy(b, f.left[:min(f.piece, len(f.left))])
	f.left = f.left[n:]
	return n, nil
}

func (f *fed) Close() error                          { f.ended = true; return nil }
func (f *fed) SyscallConn() (syscall.RawConn, error) { return fedSocket{f}, nil }

// fedSocket has its own Read and Write.
type fedSocket struct{ of *fed }

func (s fedSocket) Control(listen func(uintptr)) error {
	socket := s.of.silent
	if s.of.left != "" || s.of.ended {
		socket = s.of.speaking
	}
	listen(uintptr(socket))
	return nil
}

func (fedSocket) Read(func(uintptr) bool) error  { return syscall.ENOTSUP }
func (fedSocket) Write(func(uintptr) bool) error { return syscall.ENOTSUP }

func socketPair(f *testing.F) [2]int {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _, _ = syscall.Close(pair[0]), syscall.Close(pair[1]) })
	return pair
}

var (
	headPattern       = regexp.MustCompile(`^HTTP/1\.1 ([1-5]\d\d)(?: [^\r\n\x00]*)?\r\n((?:[!-9;-~]+:[^\r\n\x00]*\r\n)*)\r\n`)
	lengthPattern     = regexp.MustCompile(`(?im)^content-length:[ \t]*(\d{1,18})[ \t]*\r$`)
	codingPattern     = regexp.MustCompile(`(?im)^transfer-encoding:[ \t]*chunked[ \t]*\r$`)
	framingPattern    = regexp.MustCompile(`(?im)^(?:content-length|transfer-encoding):`)
	connectionPattern = regexp.MustCompile(`(?im)^connection:[ \t]*keep-alive[ \t]*\r$`)
	optionsPattern    = regexp.MustCompile(`(?im)^connection:`)
	chunkPattern      = regexp.MustCompile(`^([0-9a-fA-F]{1,16})[ \t]*(?:;[^\r\n]*)?\r\n`)
)

// isOneAnswer reads an answer as RFC 9112 has it, to its very end.
func isOneAnswer(bytes string, toHead bool) bool {
	for {
		m := headPattern.FindStringSubmatch(bytes)
		if m == nil {
			return false
		}
		status, fields, rest := m[1], m[2], bytes[len(m[0]):]
		lengths, codings := lengthPattern.FindAllStringSubmatch(fields, -1), len(codingPattern.FindAllString(fields, -1))
		if framings := len(framingPattern.FindAllString(fields, -1)); framings > 1 || framings != len(lengths)+codings {
			return false
		}
		if len(connectionPattern.FindAllString(fields, -1)) != len(optionsPattern.FindAllString(fields, -1)) || status == "408" || status == "101" {
			return false
		}
		length := 0
		if len(lengths) > 0 {
			length, _ = strconv.Atoi(lengths[0][1])
		}
		switch bodiless := toHead || status[0] == '1' || status == "204" || status == "304"; {
		case bodiless && (codings > 0 || length > 0):
			return false
		case status[0] == '1':
			bytes = rest
			continue
		case bodiless:
			return rest == ""
		case codings > 0:
			return areChunks(rest)
		}
		return len(lengths) == 1 && len(rest) == length
	}
}

// areChunks reads a body in chunks, without trailers.
func areChunks(text string) bool {
	for {
		m := chunkPattern.FindStringSubmatch(text)
		if m == nil {
			return false
		}
		size, err := strconv.ParseUint(m[1], 16, 31)
		text = text[len(m[0]):]
		switch {
		case err != nil:
			return false
		case size == 0:
			return text == "\r\n"
		case uint64(len(text)) < size+2 || !strings.HasPrefix(text[size:], "\r\n"):
			return false
		}
		text = text[size+2:]
	}
}
