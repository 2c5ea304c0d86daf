//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package fasttransport

import (
	"net/http"
	"testing"
)

// What net/http refuses is doubtful here, too, and what net/http doubts is not certain.
func TestFrames(t *testing.T) {
	for head, want := range map[string]bool{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n":                      true,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n":             true,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n":       false,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n":            false,
		"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n":                     false,
		"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n":                       false,
		"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n":    false,
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n": false,
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nNonsense\r\n\r\n":          false,
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n: none\r\n\r\n":            false,
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: \x00\r\n\r\n":           false,
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: \r\r\n\r\n":             false,
		"HTTP/1.1 20\xb2 OK\r\nContent-Length: 5\r\n\r\n":                   false,
		"HTTP/1.1 -20 OK\r\nContent-Length: 5\r\n\r\n":                      false,
	} {
		if frame, enough := frameOf([]byte(head), http.MethodGet); frame.certain != want || !enough {
			t.Errorf("%q is certain: %v, and enough: %v", head, frame.certain, enough)
		}
		for end := range len(head) - 1 {
			if frame, enough := frameOf([]byte(head[:end]), http.MethodGet); frame.certain || enough && want {
				t.Errorf("%q is certain: %v, and enough: %v", head[:end], frame.certain, enough)
			}
		}
	}
	five := frame{certain: true, status: 200, length: 5}
	for want, answer := range map[string]*http.Response{
		"the same":       {StatusCode: 200, ContentLength: 5},
		"another status": {StatusCode: 201, ContentLength: 5},
		"another length": {StatusCode: 200, ContentLength: 6},
		"no length":      {StatusCode: 200, ContentLength: -1},
		"chunks":         {StatusCode: 200, ContentLength: 5, TransferEncoding: []string{"chunked"}},
		"an end":         {StatusCode: 200, ContentLength: 5, Close: true},
	} {
		if five.is(answer) != (want == "the same") {
			t.Errorf("%s is not seen", want)
		}
	}
	if (frame{certain: true, status: 200}).is(&http.Response{StatusCode: 200, ContentLength: 5}) {
		t.Error("a body where there is to be none is not seen")
	}
	if (frame{certain: true, status: 200, length: inChunks}).is(&http.Response{StatusCode: 200, ContentLength: -1}) {
		t.Error("a body without end is taken for chunks")
	}
}
