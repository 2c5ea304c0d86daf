package flow

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// text is a claim's value as JSON, times with what they mean.
func text(name string, value any) string {
	switch name {
	case "exp", "iat", "nbf", "auth_time":
		seconds, err := strconv.ParseInt(fmt.Sprint(value), 10, 64)
		if err == nil {
			return fmt.Sprintf("%d (%s)", seconds, time.Unix(seconds, 0).UTC().Format("2006-01-02 15:04:05 MST"))
		}
	}
	if word, ok := value.(string); ok {
		return word
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return strings.ReplaceAll(string(encoded), `","`, `", "`)
}

// shorten shows the two ends of a long value.
func shorten(value string) string {
	if len(value) <= 72 {
		return value
	}
	return fmt.Sprintf("%s…%s (%d characters)", value[:40], value[len(value)-8:], len(value))
}

// after tells how long after the first request something happened.
func (a *attempt) after(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return "+" + duration(t.Sub(a.askedAt))
}

func duration(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// inOrder sorts names as they are best explained: the usual ones first, the others by the alphabet.
func inOrder(names iter.Seq[string]) []string {
	usual := []string{
		"response_type", "client_id", "grant_type", "code", "redirect_uri", "scope", "state", "nonce",
		"code_challenge", "code_challenge_method", "code_verifier", "id_token", "access_token", "token_type",
		"alg", "kid", "typ", "iss", "sub", "aud", "exp", "iat",
		"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "X-Doorward-Assertion", "Authorization",
	}
	rank := func(name string) int {
		if i := slices.Index(usual, name); i >= 0 {
			return i
		}
		return len(usual)
	}
	return slices.SortedFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b))
	})
}

// attributes are a cookie's, as a browser was told them.
func attributes(c *http.Cookie) string {
	bare := *c
	bare.Value = ""
	_, rest, _ := strings.Cut(bare.String(), "; ")
	return rest
}

// proof says where a value was seen before, when it is the same as there.
func proof(got, want, where string) string {
	if got != want || got == "" {
		return ""
	}
	return "✓ " + where
}
