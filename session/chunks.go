package session

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// A sealed session is cut into cookies "count.mark.data". The mark is drawn anew at every save, so that chunks of two
// saves never join, and a chunk that an older, larger session left behind disturbs nobody. Count and mark are under the
// MAC, by way of the name to which the joined value is bound, and the chunks are as equal as can be, so that there is one
// way alone to cut a value.

const (
	// maxChunks bounds the cookies of a session. It is checked before any loop that a cookie's count could drive
	// (CVE-2024-24814).
	maxChunks = 16

	// maxCookie bounds name and value of a cookie together. Browsers drop what exceeds 4096 (RFC 6265bis 5.7).
	maxCookie = 3900

	markSize = 8 // characters
)

// TooLargeError says that a session does not fit the bytes that its cookies may have.
type TooLargeError struct {
	// Bytes is what the cookies would have, names and values, as a browser sends them; Max is what they may have.
	Bytes, Max int

	// Stored says that the session is for Redis, and that these are its own bytes, compressed.
	Stored bool
}

// Error gives the figures and the mend.
func (e *TooLargeError) Error() string {
	if e.Stored {
		return fmt.Sprintf("the session needs %d bytes and may have %d: have the provider send fewer groups or smaller tokens", e.Bytes, e.Max)
	}
	return fmt.Sprintf("the session's cookies need %d bytes and may have %d: have the provider send fewer groups or smaller tokens,"+
		" or raise DOORWARD_SESSION_COOKIE_MAX_BYTES, and with it the header limits of every proxy in front", e.Bytes, e.Max)
}

// sealChunks seals what stands for a session, which it overwrites, and cuts it into the values of its cookies.
func (m *Manager) sealChunks(plain []byte) ([]string, error) {
	count, _ := m.names.cookiesFor(sealedLen(len(plain)))
	c := chunks{count: count, mark: newMark()}
	var err error
	c.joined, err = m.sessions.seal(c.binding(m.names.bound), plain)
	return c.cut(), err
}

func newMark() string {
	var random [6]byte
	rand.Read(random[:])
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// chunks is a sealed value and how it is cut.
type chunks struct {
	count  int
	mark   string
	joined string
}

// binding is what the sealed value is bound to, beside what its cookies are for.
func (c chunks) binding(bound string) string {
	return bound + "|" + c.mark + "|" + strconv.Itoa(c.count)
}

// size is the length of each part but the last.
func (c chunks) size() int {
	return (len(c.joined) + c.count - 1) / c.count
}

// cut gives the values of the cookies.
func (c chunks) cut() []string {
	var values []string
	head := strconv.Itoa(c.count) + "." + c.mark + "."
	for rest := c.joined; rest != ""; {
		n := min(c.size(), len(rest))
		values = append(values, head+rest[:n])
		rest = rest[n:]
	}
	return values
}

// chunks joins the session's cookies of a request. Only the count of the first one is asked how many there are, so that
// what else the browser holds under our names does not count.
func (j *jar) chunks() (chunks, bool) {
	c, ok := j.chunk(0)
	if !ok {
		return chunks{}, false
	}
	parts := []string{c.joined}
	for i := 1; i < c.count; i++ {
		next, ok := j.chunk(i)
		if !ok || next.count != c.count || next.mark != c.mark {
			return chunks{}, false
		}
		parts = append(parts, next.joined)
	}
	c.joined = strings.Join(parts, "")
	return c, c.evenly(parts)
}

// chunk reads the i-th cookie by itself. Two cookies of a name are none: one of them was planted (RFC 6265bis 8.6).
func (j *jar) chunk(i int) (chunks, bool) {
	value := j.session[i]
	if j.seen[i] != 1 || len(value) > maxCookie {
		return chunks{}, false
	}
	count, rest, _ := strings.Cut(value, ".")
	mark, data, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > maxChunks || strconv.Itoa(n) != count || len(mark) != markSize || data == "" {
		return chunks{}, false
	}
	return chunks{count: n, mark: mark, joined: data}, true
}

// evenly says whether the parts are those that cut makes.
func (c chunks) evenly(parts []string) bool {
	for _, part := range parts[:len(parts)-1] {
		if len(part) != c.size() {
			return false
		}
	}
	return true
}
