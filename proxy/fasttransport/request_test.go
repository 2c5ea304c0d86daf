//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package fasttransport_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// What arrives is what http.Transport sends, but for the order of the headers, and connections of ours carry it where it can be.
func TestRequestsArriveAlike(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*http.Request)
		others bool // http.Transport asks
	}{
		"plain":                   {func(*http.Request) {}, false},
		"HEAD":                    {func(r *http.Request) { r.Method = http.MethodHead }, false},
		"no path":                 {func(r *http.Request) { r.URL.Path = "" }, false},
		"a query":                 {func(r *http.Request) { r.URL.RawQuery = "a=%zz&b;c=é" }, false},
		"an empty query":          {func(r *http.Request) { r.URL.ForceQuery = true }, false},
		"an escaped path":         {func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/a/b", "/a%2fb" }, false},
		"a path as it is":         {func(r *http.Request) { r.URL.Opaque = "/a|b{}\"" }, false},
		"two slashes":             {func(r *http.Request) { r.URL.Path = "//a" }, false},
		"another host":            {func(r *http.Request) { r.Host = "app.example.com:8443" }, false},
		"an IPv6 host":            {func(r *http.Request) { r.Host = "[::1]:80" }, false},
		"a user agent":            {func(r *http.Request) { r.Header.Set("User-Agent", " a/1 (b) ") }, false},
		"two user agents":         {func(r *http.Request) { r.Header["User-Agent"] = []string{"a", "b"} }, false},
		"no user agent":           {func(r *http.Request) { r.Header["User-Agent"] = nil }, false},
		"an empty user agent":     {func(r *http.Request) { r.Header["User-Agent"] = []string{""} }, false},
		"several values":          {func(r *http.Request) { r.Header["X"] = []string{" a", "b\t", "", "\t c \t d "} }, false},
		"no values":               {func(r *http.Request) { r.Header["X"] = nil }, false},
		"Latin and UTF-8":         {func(r *http.Request) { r.Header["X"] = []string{"\xe9", "é"} }, false},
		"a name in small letters": {func(r *http.Request) { r.Header["x-small"] = []string{"a"} }, false},
		"a strange name":          {func(r *http.Request) { r.Header["!#$%&'*+-.^_`|~"] = []string{"a"} }, false},
		"encodings":               {func(r *http.Request) { r.Header.Set("Accept-Encoding", "br") }, false},
		"an empty body":           {func(r *http.Request) { r.Body = http.NoBody }, false},
		"a session":               {func(r *http.Request) { r.Header.Set("Cookie", strings.Repeat("c", 10_000)) }, false},
		"a long head":             {func(r *http.Request) { r.Header.Set("Cookie", strings.Repeat("c", 20_000)) }, true},
		"POST":                    {func(r *http.Request) { r.Method = http.MethodPost }, true},
		"OPTIONS":                 {func(r *http.Request) { r.Method = http.MethodOptions }, true},
		"the default method":      {func(r *http.Request) { r.Method = "" }, true},
		"a body":                  {withBody, true},
		"a body of no length":     {func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("hello")) }, true},
		"in chunks":               {func(r *http.Request) { withBody(r); r.TransferEncoding = []string{"chunked"} }, true},
		"trailers":                {func(r *http.Request) { withBody(r); r.ContentLength, r.Trailer = -1, http.Header{"X": {"y"}} }, true},
		"close":                   {func(r *http.Request) { r.Close = true }, true},
		"Connection":              {func(r *http.Request) { r.Header.Set("Connection", "x") }, true},
		"connection":              {func(r *http.Request) { r.Header["connection"] = []string{"x"} }, true},
		"an upgrade":              {func(r *http.Request) { r.Header.Set("Upgrade", "x") }, true},
		"TE":                      {func(r *http.Request) { r.Header.Set("TE", "trailers") }, true},
		"Trailer":                 {func(r *http.Request) { r.Header.Set("Trailer", "X") }, true},
		"Expect":                  {func(r *http.Request) { r.Header.Set("Expect", "100-continue") }, true},
		"Content-Length":          {func(r *http.Request) { r.Header.Set("Content-Length", "5") }, true},
		"Transfer-Encoding":       {func(r *http.Request) { r.Header.Set("Transfer-Encoding", "chunked") }, true},
		"Host":                    {func(r *http.Request) { r.Header.Set("Host", "x") }, true},
		"user-agent":              {func(r *http.Request) { r.Header["user-agent"] = []string{"x"} }, true},
		"a host with blanks":      {func(r *http.Request) { r.Host = "a b" }, true},
		"a host with a line":      {func(r *http.Request) { r.Host = "a\r\nX: y" }, true},
		"a host abroad":           {func(r *http.Request) { r.Host = "bücher.example" }, true},
		"a zone":                  {func(r *http.Request) { r.Host = "[fe80::1%25en0]:80" }, true},
		"a line in a value":       {func(r *http.Request) { r.Header["X"] = []string{"a\r\nY: b"} }, true},
		"LF in a value":           {func(r *http.Request) { r.Header["X"] = []string{"a\nb"} }, true},
		"NUL in a value":          {func(r *http.Request) { r.Header["X"] = []string{"a\x00b"} }, true},
		"DEL in a value":          {func(r *http.Request) { r.Header["X"] = []string{"a tab\tand\x7f"} }, true},
		"a line in a name":        {func(r *http.Request) { r.Header["X: y\r\nZ"] = []string{"a"} }, true},
		"a blank in a name":       {func(r *http.Request) { r.Header["X "] = []string{"a"} }, true},
		"an empty name":           {func(r *http.Request) { r.Header[""] = []string{"a"} }, true},
		"a name abroad":           {func(r *http.Request) { r.Header["é"] = []string{"a"} }, true},
		"a line in the query":     {func(r *http.Request) { r.URL.RawQuery = "a HTTP/1.1\r\nX: y" }, true},
		"a blank in the query":    {func(r *http.Request) { r.URL.RawQuery = "a b" }, true},
		"a path without a slash":  {func(r *http.Request) { r.URL.Opaque = "*" }, true},
		"a whole address":         {func(r *http.Request) { r.URL.Opaque = "//other.example/a" }, true},
		"another scheme":          {func(r *http.Request) { r.URL.Scheme = "ftp" }, true},
		"no address":              {func(r *http.Request) { r.URL = nil }, true},
		"no header":               {func(r *http.Request) { r.Header = nil }, true},
	} {
		t.Run(name, func(t *testing.T) {
			u, heads := listening(t)
			transport := u.ours()
			request := func() *http.Request {
				r := u.request(t.Context(), http.MethodGet, "/path")
				r.Header = http.Header{"Accept": {"*/*"}, "X-Forwarded-User": {"alice"}}
				test.change(r)
				return r
			}
			straight, through := ask(u.standard(), request()), ask(transport, request())
			if straight.String() != through.String() {
				t.Fatalf("answered %s\nwant     %s", through, straight)
			}
			if straight.err == nil {
				if want, got := <-heads, <-heads; !slices.Equal(want, got) {
					t.Errorf("arrived %q\nwant    %q", got, want)
				}
			}
			before := len(u.visits())
			u.get(transport) // on the same connection if that was ours
			if others := len(u.visits()) > before; others != test.others {
				t.Errorf("http.Transport asks: %v", others)
			}
		})
	}
}

func withBody(r *http.Request) {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader("hello")), 5
}

// listening is an upstream that tells what arrives: the lines of a head, all but the first two in alphabetical order.
func listening(t *testing.T) (*upstream, <-chan []string) {
	heads := make(chan []string, 10)
	return newUpstream(t, func(v *visit) {
		for {
			head, ok := v.next()
			if !ok {
				return
			}
			lines := strings.Split(head, "\r\n")
			slices.Sort(lines[2:])
			heads <- lines
			switch {
			case strings.Contains(head, "Content-Length: 5"):
				_, _ = io.CopyN(io.Discard, v.requests, 5)
			case strings.Contains(head, "chunked"):
				v.next()
			}
			if strings.HasPrefix(lines[0], "HEAD") {
				v.say(good(""))
				continue
			}
			v.say(good("answer"))
		}
	}), heads
}

// A request for another upstream is not for this Transport.
func TestOtherUpstreams(t *testing.T) {
	u := answering(t, good("this"), false)
	other := answering(t, good("other"), false)
	if got := ask(u.ours(), other.request(t.Context(), http.MethodGet, "/")); got.body != "other" {
		t.Errorf("the answer is %s", got)
	}
}
