package session

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"
	"time"
)

// unpacker reads what packer appended. After its first error it yields zero values.
type unpacker struct {
	rest       []byte
	signatures []byte
	memory     strings.Builder // of all texts: one piece, which garbage collection looks at once
	err        error
}

// unpackHead reads what stands before the fields, and how they are stored.
func unpackHead(plain []byte) (u *unpacker, how byte) {
	u = &unpacker{}
	if len(plain) < 2 || plain[0] != format {
		u.fail()
		return u, stored
	}
	u.rest = plain[2:]
	u.signatures = u.bytes()
	u.memory.Grow(u.number(2 * maxPacked))
	return u, plain[1]
}

// read reads a layout, to the last byte.
func (u *unpacker) read(body []byte, layout func(coder)) error {
	u.rest = body
	if u.err == nil {
		layout(u)
	}
	if u.err == nil && len(u.rest)+len(u.signatures) > 0 {
		u.err = errFormat
	}
	return u.err
}

func (u *unpacker) fail() {
	u.rest, u.signatures, u.err = nil, nil, errFormat
}

// number reads a length or a count. None can exceed the bytes that are left, but for nanoseconds.
func (u *unpacker) number(limit int) int {
	n, size := binary.Uvarint(u.rest)
	if size <= 0 || n > uint64(limit) {
		u.fail()
		return 0
	}
	u.rest = u.rest[size:]
	return int(n)
}

func (u *unpacker) bytes() []byte {
	n := u.number(len(u.rest))
	if n > len(u.rest) {
		u.fail()
		return nil
	}
	b := u.rest[:n]
	u.rest = u.rest[n:]
	return b
}

func (u *unpacker) count(n *int) { *n = u.number(math.MaxInt32) }

func (u *unpacker) flag(set *bool) { *set = u.number(1) == 1 }

func (u *unpacker) text(s *string) {
	from := u.memory.Len()
	u.memory.Write(u.bytes())
	*s = u.memory.String()[from:]
}

func (u *unpacker) texts(list *[]string) {
	n := u.number(len(u.rest))
	if n == 0 {
		return
	}
	*list = make([]string, n)
	for i := range *list {
		u.text(&(*list)[i])
	}
}

func (u *unpacker) moment(t *time.Time) {
	seconds, size := binary.Varint(u.rest)
	if size <= 0 {
		u.fail()
		return
	}
	u.rest = u.rest[size:]
	*t = time.Unix(seconds, int64(u.number(int(time.Second)))).UTC()
}

func (u *unpacker) token(s *string) {
	switch u.number(3) {
	case 0:
		u.text(s)
	case 3:
		from := u.memory.Len()
		u.segment(u.bytes())
		u.memory.WriteByte('.')
		u.segment(u.bytes())
		u.memory.WriteByte('.')
		u.segment(u.signature())
		*s = u.memory.String()[from:]
	default:
		u.fail()
	}
}

// signature takes the next one.
func (u *unpacker) signature() []byte {
	u.rest, u.signatures = u.signatures, u.rest
	signature := u.bytes()
	u.rest, u.signatures = u.signatures, u.rest
	return signature
}

// segment spells a segment of a JWT.
func (u *unpacker) segment(segment []byte) {
	var spelled [1024]byte
	for len(segment) > 0 {
		n := min(len(segment), base64.RawURLEncoding.DecodedLen(len(spelled)))
		u.memory.Write(spell(spelled[:0], base64.RawURLEncoding, segment[:n]))
		segment = segment[n:]
	}
}

func (u *unpacker) claims(c *map[string]any) {
	doc := u.bytes()
	if len(doc) == 0 {
		return
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	if err := d.Decode(c); err != nil {
		u.fail()
	}
}
