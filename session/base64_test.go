package session

import (
	"bytes"
	"encoding/base64"
	"testing"
)

func FuzzSpelledAsBase64(f *testing.F) {
	for _, seed := range []string{"", "a", "ab", "abcdefg", "abcdefgh", "\x00\xff\xfe\xfd\xfb\xef\xbf\x7f\x00", "the quick brown fox jumps"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		for _, e := range []*base64.Encoding{base64.RawURLEncoding, base64.URLEncoding} {
			if got, want := spell([]byte("before "), e, plain), e.AppendEncode([]byte("before "), plain); !bytes.Equal(got, want) {
				t.Errorf("%q is spelled %q, want %q", plain, got, want)
			}
		}
	})
}
