package session

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/securecookie"
)

// Sizes inside a sealed value, in bytes: the time of sealing, the HMAC-SHA-256, the initialisation vector of AES-CTR.
const (
	sealTimeSize = 8
	sealMACSize  = sha256.Size
	sealIVSize   = 16
)

// wire is how sealed values travel. Strict, because a lenient decoder lets the last character change and the value stay.
var wire = base64.RawURLEncoding.Strict()

// sealer seals and opens the values of one purpose.
type sealer struct {
	audience, purpose string
	age               time.Duration // for which a seal holds

	keys atomic.Pointer[keys]
}

// keys are a sealer's at one time, in the secrets' order: the first seals, all open.
type keys struct {
	codecs  []*securecookie.SecureCookie
	buffers sync.Pool // of *sealBuffers
}

// sealBuffers are what a value goes through before securecookie takes it.
type sealBuffers struct{ head, outer, whole []byte }

func newSealer(o Options, purpose string, age time.Duration) (*sealer, error) {
	s := &sealer{audience: o.Audience, purpose: purpose, age: age}
	return s, s.use(o.Secrets)
}

// use derives the keys from every secret, by HKDF (RFC 5869): one secret yields unrelated keys for each purpose and audience, so that a
// value that was sealed for one never opens for another. From now on these keys count, and no others.
func (s *sealer) use(secrets [][]byte) error {
	k := &keys{}
	for _, secret := range secrets {
		pair, err := hkdf.Key(sha256.New, secret, []byte(s.audience), "doorward "+s.purpose+" cookie", 64)
		if err != nil {
			return fmt.Errorf("deriving the keys of %s cookies: %w", s.purpose, err)
		}
		// The length is ours to bound, before this sees a value: its own limit of 4096 holds too little for a session.
		codec := securecookie.New(pair[:32], pair[32:]).MaxLength(0).MaxAge(int(s.age / time.Second))
		k.codecs = append(k.codecs, codec.SetSerializer(securecookie.NopEncoder{}))
	}
	s.keys.Store(k)
	return nil
}

// seal encrypts plain, which it overwrites, and binds it to name.
func (s *sealer) seal(name string, plain []byte) (string, error) {
	value, err := s.keys.Load().codecs[0].Encode(name, plain)
	if err != nil {
		return "", fmt.Errorf("sealing cookie: %w", err)
	}
	return shrink(value)
}

// open gives back what was sealed under that name, and the index of the secret that opened it.
func (s *sealer) open(name, value string) (plain []byte, key int, ok bool) {
	return s.keys.Load().open(name, value)
}

func (k *keys) open(name, value string) (plain []byte, key int, ok bool) {
	b, _ := k.buffers.Get().(*sealBuffers)
	if b == nil {
		b = &sealBuffers{}
	}
	value, ok = b.restore(value)
	k.buffers.Put(b)
	if !ok {
		return nil, 0, false
	}
	key = slices.IndexFunc(k.codecs, func(codec *securecookie.SecureCookie) bool {
		return codec.Decode(name, value, &plain) == nil
	})
	return plain, key, key >= 0
}

// shrink writes what securecookie sealed, base64("time|base64(ciphertext)|mac"), as base64(time, mac) and base64(ciphertext), one after the
// other: the same in three quarters of the room. The ciphertext is spelled as securecookie spells it, for that spelling is under the MAC.
func shrink(value string) (string, error) {
	outer, err := base64.URLEncoding.DecodeString(value)
	seconds, rest, timed := bytes.Cut(outer, []byte("|"))
	ciphertext, mac, macked := bytes.Cut(rest, []byte("|"))
	if err != nil || !timed || !macked || len(mac) != sealMACSize {
		return "", errors.New("sealing cookie: securecookie changed its format")
	}
	sealedAt, err := strconv.ParseUint(string(seconds), 10, 64)
	if err != nil {
		return "", errors.New("sealing cookie: the clock is before 1970")
	}
	head := binary.BigEndian.AppendUint64(make([]byte, 0, sealTimeSize+sealMACSize), sealedAt)
	return wire.EncodeToString(append(head, mac...)) + strings.TrimRight(string(ciphertext), "="), nil
}

// restore undoes shrink, into its buffers. One value has one spelling: what securecookie opens afterwards is what shrink wrote.
func (b *sealBuffers) restore(value string) (string, bool) {
	headLen := wire.EncodedLen(sealTimeSize + sealMACSize)
	if len(value) < headLen || strings.HasSuffix(value, "=") { // shrink leaves out what is appended below
		return "", false
	}
	head, err := wire.AppendDecode(b.head[:0], []byte(value[:headLen]))
	if err != nil || len(head) != sealTimeSize+sealMACSize { // encoding/base64 skips line breaks, strict or not
		return "", false
	}
	b.head = head
	ciphertext := value[headLen:]
	outer := strconv.AppendUint(b.outer[:0], binary.BigEndian.Uint64(head), 10)
	outer = append(append(outer, '|'), ciphertext...)
	outer = append(outer, "==="[:-len(ciphertext)&3]...)
	b.outer = append(append(outer, '|'), head[sealTimeSize:]...)
	b.whole = spell(b.whole[:0], base64.URLEncoding, b.outer)
	return string(b.whole), true
}

// sealedLen is the length of a sealed value whose plain text has n bytes.
func sealedLen(n int) int {
	return wire.EncodedLen(sealTimeSize+sealMACSize) + wire.EncodedLen(sealIVSize+n)
}
