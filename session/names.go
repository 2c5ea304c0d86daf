package session

import (
	"strconv"
	"strings"
)

// names knows the names of our cookies.
type names struct {
	base  string // the first cookie of a session; further ones are base_1, base_2…
	login string // what every login cookie's name begins with
	round string // what those begin with that note a completed login
}

func newNames(base string) names {
	return names{base: base, login: base + "-login-", round: base + "-login-round-"}
}

// chunk is the name of a session's i-th cookie.
func (n names) chunk(i int) string {
	if i == 0 {
		return n.base
	}
	return n.base + "_" + strconv.Itoa(i)
}

// index tells which of a session's cookies bears that name.
func (n names) index(name string) (int, bool) {
	if name == n.base {
		return 0, true
	}
	digits, ok := strings.CutPrefix(name, n.base+"_")
	if !ok || len(digits) > 2 {
		return 0, false
	}
	i, err := strconv.Atoi(digits)
	return i, err == nil && 0 < i && i < maxChunks && digits == strconv.Itoa(i)
}

// chunkRoom is how much of a sealed value every cookie holds.
func (n names) chunkRoom() int {
	last := maxChunks - 1
	return maxCookie - len(n.chunk(last)) - len(strconv.Itoa(last)) - len("..") - markSize
}

// cookiesFor is how many cookies a sealed value of that length is cut into, and their bytes as sentBytes counts them.
func (n names) cookiesFor(sealed int) (count, bytes int) {
	room := n.chunkRoom()
	count = (sealed + room - 1) / room
	bytes = sealed + (count-1)*len("; ")
	for i := range count {
		bytes += len(n.chunk(i)) + len("=") + len(strconv.Itoa(count)) + len("..") + markSize
	}
	return count, bytes
}

// sentBytes is the length of the Cookie header that holds these values, and nothing else: "a=x; a_1=y".
func (n names) sentBytes(values []string) int {
	total := (len(values) - 1) * len("; ")
	for i, value := range values {
		total += len(n.chunk(i)) + len("=") + len(value)
	}
	return total
}

func (n names) own(name string) bool {
	_, ok := n.index(name)
	return ok || strings.HasPrefix(name, n.login)
}
