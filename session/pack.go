package session

import (
	"encoding/json"
	"errors"
	"fmt"
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
