package session

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// What is sealed begins with the version of its format and with how it is stored, goes on with the signatures of tokens and with how much
// memory the texts take, and then with fields in a fixed order, each preceded by its length. The fields of sessions are compressed where that
// makes them smaller, since browsers and proxies bound cookies, and the two tokens say much the same: by S2, which is quick, up to
// maxQuick, and above by deflate. Signatures do not deflate, and the rest deflates worse beside them, and inflates more slowly. All of a session
// comes from the provider, nothing from a request, so that nobody learns of its secrets by trying what compresses well beside them.

const (
	// format is the version of the layouts below. What has another one does not open.
	format = 3

	stored    = 0
	deflated  = 1
	s2Encoded = 2

	// maxPacked bounds a session before it is compressed, and so what may come of that again, which is looked at after the MAC was
	// found right. A larger one is stored as it is, and is then too large for its cookies.
	maxPacked = 64 << 10

	// maxQuick bounds what is compressed by S2, to what is well within one cookie.
	maxQuick = 2 << 10
)

// errFormat says that something was sealed in a form that this version does not know.
var errFormat = errors.New("unpacking cookie: unknown format")

// coder goes through the fields of a value, either to append them or to read them back. Each layout is written down once,
// for both ways, so that they cannot part.
type coder interface {
	text(*string)
	texts(*[]string)
	moment(*time.Time)
	count(*int)
	flag(*bool)
	token(*string)
	claims(*map[string]any)
}

func (s *Session) layout(c coder) {
	c.text(&s.ID)
	c.token(&s.IDToken)
	c.token(&s.AccessToken)
	c.token(&s.RefreshToken)
	c.count(&s.Generation)
	for _, text := range []*string{
		&s.Issuer, &s.Subject, &s.ProviderSession, &s.User, &s.Email, &s.PreferredUsername, &s.ACR,
	} {
		c.text(text)
	}
	c.texts(&s.Groups)
	c.flag(&s.GroupsUnknown)
	c.claims(&s.Claims)
	for _, moment := range []*time.Time{
		&s.AuthTime, &s.CreatedAt, &s.ExpiresAt, &s.TokenIssuedAt, &s.TokenExpiresAt, &s.UsedAt,
	} {
		c.moment(moment)
	}
}

func (l *Login) layout(c coder) {
	for _, text := range []*string{&l.State, &l.Nonce, &l.Verifier, &l.RedirectURI, &l.ReturnTo, &l.ACRValues, &l.MaxAge, &l.Before} {
		c.text(text)
	}
	c.moment(&l.StartedAt)
	c.count(&l.Rounds)
}

// Size is about how many bytes a session takes in memory, with what leads to it, and what is derived from it.
func (s *Session) Size() int {
	c := &counter{bytes: 3<<9 + len(s.AccessToken)}
	s.layout(c)
	return c.bytes
}

// packing packs and unpacks sessions.
type packing struct {
	deflater deflater
	s2       *s2Coder
}

// pack asks whether there is room for what S2 makes of a session, before it makes it smaller.
func (c *packing) pack(s *Session, hasRoom func(size int) bool) ([]byte, error) {
	p := &packer{}
	s.layout(p)
	if p.err != nil {
		return nil, fmt.Errorf("sealing session: %w", p.err)
	}
	plain := p.plain()
	if len(p.buf) > maxPacked {
		return plain, nil
	}
	if quick := c.s2.encode(p.head(s2Encoded), p.buf); len(quick) < min(len(plain), maxQuick) && hasRoom(len(quick)) {
		return quick, nil
	}
	if small := c.deflater.deflate(p.head(deflated), p.buf); len(small) < len(plain) {
		return small, nil
	}
	return plain, nil
}

func (c *packing) unpack(plain []byte) (*Session, error) {
	u, how := unpackHead(plain)
	s := &Session{}
	switch how {
	case stored:
		return s, u.read(u.rest, s.layout)
	case deflated:
		return s, c.deflater.inflate(u.rest, maxPacked, func(body []byte) error { return u.read(body, s.layout) })
	case s2Encoded:
		return s, c.s2.decode(u.rest, maxPacked, func(body []byte) error { return u.read(body, s.layout) })
	}
	return nil, errFormat
}

func packLogin(l *Login) []byte {
	p := &packer{buf: make([]byte, 0, 320)}
	l.layout(p)
	return p.plain()
}

func unpackLogin(plain []byte) (*Login, error) {
	u, how := unpackHead(plain)
	if how != stored {
		return nil, errFormat
	}
	l := &Login{}
	return l, u.read(u.rest, l.layout)
}

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

// counter adds up what fields take in memory.
type counter struct{ bytes int }

func (c *counter) text(s *string)    { c.bytes += len(*s) }
func (c *counter) token(s *string)   { c.bytes += len(*s) }
func (c *counter) moment(*time.Time) {}
func (c *counter) count(*int)        {}
func (c *counter) flag(*bool)        {}
func (c *counter) texts(list *[]string) {
	for i := range *list {
		c.bytes += 16 + len((*list)[i])
	}
}

func (c *counter) claims(all *map[string]any) {
	for name, value := range *all {
		c.bytes += 64 + len(name) + claimSize(value)
	}
}

// claimSize is about how many bytes a claim takes in memory.
func claimSize(value any) (bytes int) {
	switch value := value.(type) {
	case string:
		return len(value)
	case json.Number:
		return len(value)
	case []any:
		for _, member := range value {
			bytes += 16 + claimSize(member)
		}
	case map[string]any:
		for name, member := range value {
			bytes += 64 + len(name) + claimSize(member)
		}
	}
	return bytes
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
