package fasttransport

import (
	"bytes"
	"net/http"
	"strconv"
)

// Rules that this file keeps: where an answer ends is certain only if its head can be read in one way.
//
//   - Lines end in CRLF, and hold neither CR nor NUL. None continues the one before it, and no name holds a blank, with which
//     net/http takes it for another (RFC 9112 2.2, 5.1, 5.2).
//   - The version is HTTP/1.1, the status of a known class, and not 408: that may be about an idle connection (RFC 9110 15.5.9).
//   - There is one Content-Length, of digits alone, or one Transfer-Encoding, which is chunked: not both, not two (RFC 9112 6.3).
//   - What can have no body (RFC 9112 6.3 (1): HEAD, 1xx, 204, 304) announces none. After HEAD a head without a length would announce one to
//     GET, up to the end of the connection.
//   - Connection says nothing but keep-alive.

// frame is how a head says where the answer ends.
type frame struct {
	certain bool
	status  int
	length  int64 // of the body, or inChunks
	lengths int   // how often it says so
}

const inChunks = -1

// is says whether net/http understood the answer like this, too.
func (f frame) is(answer *http.Response) bool {
	if !f.certain || answer.Close || answer.StatusCode != f.status {
		return false
	}
	if f.length == 0 {
		return answer.Body == http.NoBody
	}
	return answer.ContentLength == f.length && (len(answer.TransferEncoding) == 1) == (f.length == inChunks)
}

// frameOf reads a head, or what has come of it; enough says that more of it would change nothing. method is the request's.
func frameOf(seen []byte, method string) (f frame, enough bool) {
	for first := true; ; first = false {
		end := bytes.IndexByte(seen, '\n')
		if end < 0 {
			return frame{}, false
		}
		line, ok := bytes.CutSuffix(seen[:end], []byte{'\r'})
		switch {
		case !ok || bytes.IndexByte(line, '\r') >= 0 || bytes.IndexByte(line, 0) >= 0:
			ok = false
		case first:
			f.status, ok = statusOf(line)
		case len(line) == 0:
			f.certain = f.addsUp(method)
			return f, true
		default:
			ok = f.note(line)
		}
		if !ok {
			return frame{}, true
		}
		seen = seen[end+1:]
	}
}

// statusOf reads a status line.
func statusOf(line []byte) (int, bool) {
	rest, ok := bytes.CutPrefix(line, []byte("HTTP/1.1 "))
	if !ok || len(rest) < 3 || len(rest) > 3 && rest[3] != ' ' {
		return 0, false
	}
	status, ok := number(rest[:3])
	return int(status), ok && status >= 100 && status <= 599 && status != http.StatusRequestTimeout
}

// number reads digits, which no sign or blank accompanies.
func number(text []byte) (int64, bool) {
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	return n, err == nil
}

// note reads a header, and says whether it leaves no doubt.
func (f *frame) note(line []byte) (ok bool) {
	name, value, ok := bytes.Cut(line, []byte{':'})
	if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t") {
		return false
	}
	value = bytes.Trim(value, " \t")
	switch {
	case isNamed(name, "Content-Length"):
		f.lengths++
		f.length, ok = number(value)
	case isNamed(name, "Transfer-Encoding"):
		f.lengths++
		f.length, ok = inChunks, isNamed(value, "chunked")
	case isNamed(name, "Connection"):
		ok = isNamed(value, "keep-alive")
	}
	return ok
}

// isNamed compares without regard to letter case.
func isNamed(name []byte, known string) bool {
	return len(name) == len(known) && bytes.EqualFold(name, []byte(known))
}

// addsUp says whether the head as a whole leaves no doubt.
func (f *frame) addsUp(method string) bool {
	if f.status < 200 || f.status == http.StatusNoContent || f.status == http.StatusNotModified {
		return f.lengths <= 1 && f.length == 0
	}
	return f.lengths == 1 && (method != http.MethodHead || f.length == 0)
}
