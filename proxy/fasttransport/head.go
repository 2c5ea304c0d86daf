package fasttransport

import "bytes"

// isClean says whether the head of an answer can be read in one way alone, by everybody, as far as its length goes (RFC 9112 2.2, 5, 6.3, 11.2). What
// is not passes on as http.ReadResponse reads it, and the connection with it ends.
func isClean(head []byte) bool {
	line, rest, ok := cutLine(head)
	if !ok || !isStatusLine(line) {
		return false
	}
	lengths := 0
	for {
		if line, rest, ok = cutLine(rest); !ok {
			return false
		}
		if len(line) == 0 {
			return len(rest) == 0 && lengths <= 1
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		value = bytes.Trim(value, " \t")
		if !found || !isToken(name) || !isValue(value) {
			return false
		}
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			lengths++
			if !isDigits(value) {
				return false
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			lengths++
			if !bytes.EqualFold(value, []byte("chunked")) {
				return false
			}
		}
	}
}

// isStatusLine says whether a line is one of HTTP/1.1 (RFC 9112 4). The blank behind the status is there even where there are no words.
func isStatusLine(line []byte) bool {
	rest, found := bytes.CutPrefix(line, []byte("HTTP/1.1 "))
	return found && len(rest) > 3 && isDigits(rest[:3]) && rest[3] == ' ' && (len(rest) == 4 || isValue(rest[4:]))
}

// cutLine cuts after the first CRLF. A line that ends otherwise is none.
func cutLine(text []byte) (line, rest []byte, ok bool) {
	line, rest, found := bytes.Cut(text, []byte("\n"))
	if !found || len(line) == 0 || line[len(line)-1] != '\r' {
		return nil, nil, false
	}
	return line[:len(line)-1], rest, true
}

func isDigits(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return 0 < len(text) && len(text) <= 18
}

// endOfHead is where the head ends that a text begins with, 0 where it does not end there: behind the first empty line, with CR or without.
func endOfHead(text []byte) int {
	for from := 0; ; {
		i := bytes.IndexByte(text[from:], '\n')
		if i < 0 {
			return 0
		}
		from += i + 1
		switch rest := text[from:]; {
		case bytes.HasPrefix(rest, []byte("\n")):
			return from + 1
		case bytes.HasPrefix(rest, []byte("\r\n")):
			return from + 2
		}
	}
}
