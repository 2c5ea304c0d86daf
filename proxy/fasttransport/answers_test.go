//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package fasttransport_test

import (
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
)

// answers are what upstreams say, well behaved and not. What a caller gets of each is what http.Transport makes of it; whether the
// connection is used again is decided here. All arrive at once, then the connection stays open, unless it says otherwise.
var answers = map[string]struct {
	method string // GET if empty
	bytes  string
	closes bool
	reused bool
}{
	"a length":                     {bytes: good("hello"), reused: true},
	"nothing":                      {bytes: good(""), reused: true},
	"a large body":                 {bytes: good(strings.Repeat("x", 1<<20)), reused: true},
	"chunks":                       {bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nyou\r\n0\r\n\r\n", reused: true},
	"chunks of nothing":            {bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", reused: true},
	"keep-alive":                   {bytes: "HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nhi", reused: true},
	"names in small letters":       {bytes: "HTTP/1.1 200 \r\ncontent-length:2\r\n\r\nhi", reused: true},
	"no reason":                    {bytes: "HTTP/1.1 200\r\nContent-Length: 2 \r\n\r\nhi", reused: true},
	"204":                          {bytes: "HTTP/1.1 204 No Content\r\n\r\n", reused: true},
	"304":                          {bytes: "HTTP/1.1 304 Not Modified\r\nEtag: \"x\"\r\n\r\n", reused: true},
	"HEAD of nothing":              {method: "HEAD", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", reused: true},
	"early hints":                  {bytes: "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + good("hi"), reused: true},
	"an error":                     {bytes: "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy", reused: true},
	"HEAD without length":          {method: "HEAD", bytes: "HTTP/1.1 200 OK\r\n\r\n"},
	"HEAD with a length":           {method: "HEAD", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
	"HEAD in chunks":               {method: "HEAD", bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
	"HEAD with a body":             {method: "HEAD", bytes: "HTTP/1.1 200 OK\r\n\r\nhello"},
	"204 with a length":            {bytes: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"},
	"204 in chunks":                {bytes: "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"},
	"204 with a body":              {bytes: "HTTP/1.1 204 No Content\r\n\r\nhello"},
	"304 with a length":            {bytes: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"},
	"informational with a length":  {bytes: "HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\n" + good("hi")},
	"close":                        {bytes: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"},
	"close among others":           {bytes: "HTTP/1.1 200 OK\r\nConnection: keep-alive, close\r\nContent-Length: 2\r\n\r\nhi"},
	"something else in Connection": {bytes: "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nContent-Length: 2\r\n\r\nhi"},
	"HTTP/1.0":                     {bytes: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"},
	"HTTP/1.0 that would go on":    {bytes: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi"},
	"HTTP/1.0 in chunks":           {bytes: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", closes: true},
	"HTTP/1.2":                     {bytes: "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nhi"},
	"HTTP/2.0":                     {bytes: "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"},
	"until the end":                {bytes: "HTTP/1.1 200 OK\r\n\r\nhello", closes: true},
	"two equal lengths":            {bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\nhi"},
	"two lengths":                  {bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nhello"},
	"a list of lengths":            {bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi"},
	"an empty length":              {bytes: "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhi"},
	"a signed length":              {bytes: "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi"},
	"a negative length":            {bytes: "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi"},
	"a length beyond numbers":      {bytes: "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nhi"},
	"length and chunks":            {bytes: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"},
	"chunks and length":            {bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 12\r\n\r\n2\r\nhi\r\n0\r\n\r\n"},
	"chunked twice":                {bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"},
	"another coding":               {bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"},
	"identity":                     {bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi"},
	"announced trailers":           {bytes: "HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"},
	"trailers":                     {bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n"},
	"trailers without end":         {bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: " + strings.Repeat("y", 10_000)},
	"junk for chunks":              {bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nzz\r\n0\r\n\r\n"},
	"junk behind a chunk":          {bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhixx0\r\n\r\n"},
	"junk behind the chunks":       {bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n\r\n"},
	"chunks behind bare LF":        {bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nhi\n0\n\n"},
	"chunks that break off":        {bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", closes: true},
	"surplus":                      {bytes: good("hello") + "x"},
	"two answers":                  {bytes: good("hello") + good("other")},
	"surplus behind nothing":       {bytes: good("") + good("other")},
	"a length too large":           {bytes: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", closes: true},
	"lines in bare LF":             {bytes: "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi"},
	"one bare LF":                  {bytes: "HTTP/1.1 200 OK\r\nX: y\nContent-Length: 2\r\n\r\nhi"},
	"bare CR":                      {bytes: "HTTP/1.1 200 OK\r\nX: y\rz\r\nContent-Length: 2\r\n\r\nhi"},
	"CR at the end":                {bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\r\n\r\nhi"},
	"CR in the status":             {bytes: "HTTP/1.1 200 O\rK\r\nContent-Length: 2\r\n\r\nhi"},
	"NUL in the status":            {bytes: "HTTP/1.1 200 O\x00K\r\nContent-Length: 2\r\n\r\nhi"},
	"a continued line":             {bytes: "HTTP/1.1 200 OK\r\nX: y\r\n Content-Length: 5\r\nContent-Length: 2\r\n\r\nhi"},
	"a continued length":           {bytes: "HTTP/1.1 200 OK\r\nContent-Length:\r\n\t2\r\n\r\nhi"},
	"a blank before the colon":     {bytes: "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi", closes: true},
	"a length behind a blank":      {bytes: "HTTP/1.1 200 OK\r\nContent-Length : 5\r\nContent-Length: 2\r\n\r\nhi"},
	"no colon":                     {bytes: "HTTP/1.1 200 OK\r\nContent-Length 2\r\n\r\nhi"},
	"no name":                      {bytes: "HTTP/1.1 200 OK\r\n: y\r\nContent-Length: 2\r\n\r\nhi"},
	"a blank in front":             {bytes: "HTTP/1.1 200 OK\r\n Content-Length: 2\r\n\r\nhi"},
	"nonsense":                     {bytes: "nonsense\r\n\r\n"},
	"a line in front":              {bytes: "\r\n" + good("hi")},
	"another protocol":             {bytes: "SSH-2.0-OpenSSH\r\n"},
	"a status of two digits":       {bytes: "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nhi"},
	"a status of four digits":      {bytes: "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nhi"},
	"a status below 100":           {bytes: "HTTP/1.1 099 Low\r\nContent-Length: 2\r\n\r\nhi"},
	"a status above 599":           {bytes: "HTTP/1.1 600 High\r\nContent-Length: 2\r\n\r\nhi"},
	"two blanks":                   {bytes: "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nhi"},
	"408":                          {bytes: "HTTP/1.1 408 Request Timeout\r\nContent-Length: 2\r\n\r\nhi"},
	"a head beyond the buffer":     {bytes: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 10_000) + "\r\nContent-Length: 2\r\n\r\nhi"},
	"a head beyond the limit":      {bytes: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 300<<10) + "\r\nContent-Length: 2\r\n\r\nhi"},
	"half a head":                  {bytes: "HTTP/1.1 200 OK\r\nContent-Le", closes: true},
	"half a line":                  {bytes: "HTTP/1.1 2", closes: true},
	"no answer":                    {closes: true},
	"only hints":                   {bytes: "HTTP/1.1 103 Early Hints\r\n\r\n", closes: true},
}

// What comes of an answer is what http.Transport makes of it, and a connection is used again only where nothing is doubtful.
func TestAnswers(t *testing.T) {
	for name, test := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			method := test.method
			if method == "" {
				method = http.MethodGet
			}
			straight := answering(t, test.bytes, test.closes)
			want := ask(straight.standard(), straight.request(t.Context(), method, "/"))
			u := answering(t, test.bytes, test.closes)
			transport := u.ours()
			if got := ask(transport, u.request(t.Context(), method, "/")); got.String() != want.String() {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if again := u.get(transport); again.body != "again" {
				t.Errorf("the next request gets %v", again)
			}
			if reused := len(u.visits()) == 1; reused != test.reused {
				t.Errorf("the connection is used again: %v", reused)
			}
		})
	}
}

// answering answers the first request with the bytes given, and all others with "again".
func answering(t testing.TB, bytes string, closes bool) *upstream {
	return newUpstream(t, func(v *visit) {
		for first := v.number == 1; ; first = false {
			if _, ok := v.next(); !ok {
				return
			}
			if !first {
				v.say(good("again"))
				continue
			}
			v.say(bytes)
			if closes {
				return
			}
		}
	})
}

// A connection that breaks off anywhere gives what it would give http.Transport, whether in an orderly way or not. After a reset that has several
// views of what happened, of which ours is always the true one.
func TestAnswersThatBreakOff(t *testing.T) {
	for _, whole := range []string{
		"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	} {
		for end := range len(whole) {
			straight := answering(t, whole[:end], true)
			want := straight.get(straight.standard())
			u := answering(t, whole[:end], true)
			if got := u.get(u.ours()); got.String() != want.String() {
				t.Errorf("after %q\ngot  %s\nwant %s", whole[:end], got, want)
			}
			straight, u = resetting(t, whole[:end]), resetting(t, whole[:end])
			want = straight.get(straight.standard())
			if got := u.get(u.ours()); got.body != want.body || kind(got.err) != kind(want.err) && kind(got.err) != "connection lost" {
				t.Errorf("after %q and a reset\ngot  %s\nwant %s", whole[:end], got, want)
			}
		}
	}
}

// resetting answers so much, then resets the connection.
func resetting(t *testing.T, bytes string) *upstream {
	return newUpstream(t, func(v *visit) {
		v.next()
		v.say(bytes)
		v.reset()
	})
}

// A switch of protocols is nothing that was asked for.
func TestUnaskedSwitch(t *testing.T) {
	for _, bytes := range []string{"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello", "HTTP/1.1 101 Switching\r\n\r\n" + good("hello")} {
		u := answering(t, bytes, false)
		transport := u.ours()
		if got := u.get(transport); got.err == nil || kind(got.err) != "bad answer" {
			t.Errorf("%q is answered %s", bytes, got)
		}
		if got := u.get(transport); got.body != "again" || len(u.visits()) != 2 {
			t.Errorf("after %q the next request gets %s", bytes, got)
		}
	}
}

// Informational answers are told of, in their order, and the answer is what comes last.
func TestInformationalAnswers(t *testing.T) {
	u := answering(t, "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\nLink: b\r\n\r\n"+good("hello"), false)
	var told []string
	trace := &httptrace.ClientTrace{Got1xxResponse: func(status int, header textproto.MIMEHeader) error {
		told = append(told, fmt.Sprint(status, header))
		return nil
	}}
	r := u.request(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, "/")
	if got := ask(u.ours(), r); got.body != "hello" || fmt.Sprint(told) != "[102 map[] 103 map[Link:[a b]]]" {
		t.Errorf("told %v, then %s", told, got)
	}
}

// Who does not want an informational answer ends the request.
func TestRefusedInformationalAnswer(t *testing.T) {
	u := answering(t, "HTTP/1.1 103 Early Hints\r\n\r\n"+good("hello"), false)
	trace := &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error { return http.ErrNotSupported }}
	transport := u.ours()
	if got := ask(transport, u.request(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, "/")); got.err != http.ErrNotSupported {
		t.Errorf("the answer is %s", got)
	}
	if got := u.get(transport); got.body != "again" || len(u.visits()) != 2 {
		t.Errorf("the next request gets %s on one of %d connections", got, len(u.visits()))
	}
}

// Informational answers have an end, whether anybody is told of them or not.
func TestEndlessInformationalAnswers(t *testing.T) {
	for _, trace := range []*httptrace.ClientTrace{{}, {Got1xxResponse: func(int, textproto.MIMEHeader) error { return nil }}} {
		u := newUpstream(t, func(v *visit) {
			v.next()
			for err := error(nil); err == nil; {
				_, err = v.Write([]byte("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"))
			}
		})
		got := ask(u.ours(), u.request(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, "/"))
		if kind(got.err) != "bad answer" || !strings.Contains(got.err.Error(), "too long") {
			t.Errorf("the answer is %s: %v", got, got.err)
		}
	}
}
