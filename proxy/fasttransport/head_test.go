package fasttransport

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// Whatever a request is made of, what is written is one request, and that one.
func FuzzHead(f *testing.F) {
	f.Add("/a", "q=1", "", "app.example.com", "Accept", "*/*", "X-Forwarded-User", "alice")
	f.Add("/a b", "", "/a\r\nX: y", "a\r\nb", "X: y\r\nZ", "a\r\nb", "Content-Length", "5")
	f.Add("//a", "", "//x", "[::1]", "User-Agent", "", "user-agent", "a\tb")
	f.Fuzz(func(t *testing.T, path, query, opaque, host, name, value, other, second string) {
		r := &http.Request{
			Method: http.MethodGet, Host: host, URL: &url.URL{Scheme: "http", Host: "upstream:80", Path: path, RawQuery: query, Opaque: opaque},
			Header: http.Header{name: {value, second}, other: {second}},
		}
		head, ok := appendHead(nil, r)
		if !ok {
			return
		}
		reader := bufio.NewReader(bytes.NewReader(head))
		got, err := http.ReadRequest(reader)
		if err != nil {
			t.Fatalf("%q is no request: %v", head, err)
		}
		if rest, _ := io.ReadAll(reader); len(rest) > 0 || got.ContentLength != 0 || got.TransferEncoding != nil || got.Close {
			t.Fatalf("%q is more than a question: %q is left", head, rest)
		}
		if got.RequestURI != r.URL.RequestURI() || host != "" && got.Host != host {
			t.Errorf("%q asks %s for %s", head, got.Host, got.RequestURI)
		}
		if name != other && name != "User-Agent" && !slices.Contains(got.Header.Values(name), strings.Trim(value, " \t")) {
			t.Errorf("%q lacks %q: %q", head, name, value)
		}
		for key := range got.Header {
			if !strings.EqualFold(key, name) && !strings.EqualFold(key, other) && key != "User-Agent" {
				t.Errorf("%q has %q", head, key)
			}
		}
	})
}

// Every byte is judged right, wherever among others it stands.
func TestControls(t *testing.T) {
	for c := range 256 {
		for at := range 17 {
			text := strings.Repeat("a", at) + string([]byte{byte(c)}) + strings.Repeat("\xff", 16-at)
			if got, want := hasControls(text), c < ' ' || c == 0x7f; got != want {
				t.Errorf("%q has control characters: %v", text, got)
			}
			if got, want := isValue(text), (c >= ' ' || c == '\t') && c != 0x7f; got != want {
				t.Errorf("%q is a value: %v", text, got)
			}
		}
	}
	for high := range 256 { // borrows reach no byte above
		for low := range 256 {
			eight := binary.LittleEndian.Uint64([]byte{byte(low), byte(high), 'a', 'a', 'a', 'a', 'a', 'a'})
			want := low < ' ' || low == 0x7f || high < ' ' || high == 0x7f
			if hasControl(eight) != want {
				t.Errorf("%#x has control characters: %v", eight, !want)
			}
		}
	}
}
