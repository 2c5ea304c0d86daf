package session

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"
	"time"
)

// packer appends fields.
type packer struct {
	buf        []byte
	signatures []byte // of tokens, each preceded by its length
	memory     int    // bytes that the texts will take
	err        error
}

// head is what stands before the fields.
func (p *packer) head(how byte) []byte {
	head := append(make([]byte, 0, 16+len(p.signatures)+len(p.buf)), format, how)
	head = binary.AppendUvarint(head, uint64(len(p.signatures)))
	return binary.AppendUvarint(append(head, p.signatures...), uint64(p.memory))
}

// plain is all of it, as it is.
func (p *packer) plain() []byte { return append(p.head(stored), p.buf...) }

func (p *packer) number(n int) { p.buf = binary.AppendUvarint(p.buf, uint64(n)) }

func (p *packer) bytes(b []byte) {
	p.number(len(b))
	p.buf = append(p.buf, b...)
}

func (p *packer) count(n *int) { p.number(*n) }

func (p *packer) flag(set *bool) {
	if *set {
		p.number(1)
		return
	}
	p.number(0)
}

func (p *packer) text(s *string) {
	p.memory += len(*s)
	p.bytes([]byte(*s))
}

func (p *packer) texts(list *[]string) {
	p.number(len(*list))
	for i := range *list {
		p.text(&(*list)[i])
	}
}

// moment appends seconds and nanoseconds: no time that a provider may name overflows them, and the zero time comes back.
func (p *packer) moment(t *time.Time) {
	p.buf = binary.AppendVarint(p.buf, t.Unix())
	p.number(t.Nanosecond())
}

// token appends a JWT by its decoded segments, where encoding them again yields the same token: base64 hides from deflate
// that tokens are JSON, and that they repeat each other. Any other token is text.
func (p *packer) token(s *string) {
	segments := decodeJWT(*s)
	p.number(len(segments))
	if segments == nil {
		p.text(s)
		return
	}
	p.memory += len(*s)
	p.bytes(segments[0])
	p.bytes(segments[1])
	p.signatures = binary.AppendUvarint(p.signatures, uint64(len(segments[2])))
	p.signatures = append(p.signatures, segments[2]...)
}

// claims appends JSON; nothing for no claims.
func (p *packer) claims(c *map[string]any) {
	var doc bytes.Buffer
	if len(*c) > 0 {
		e := json.NewEncoder(&doc)
		e.SetEscapeHTML(false)
		p.err = e.Encode(*c)
	}
	p.bytes(doc.Bytes())
}

// decodeJWT gives the three segments of a JWT (RFC 7515 7.1), or nil when the token is none or would not come back
// byte for byte.
func decodeJWT(token string) [][]byte {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	segments := make([][]byte, len(parts))
	for i, part := range parts {
		segment, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil || base64.RawURLEncoding.EncodeToString(segment) != part {
			return nil
		}
		segments[i] = segment
	}
	return segments
}
