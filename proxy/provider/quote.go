package provider

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// How much is repeated of what came from outside.
const (
	maxSaid  = 500 // characters of a provider's error that we repeat to people
	maxValue = 200 // characters of a claim that we repeat in the log
)

// printable is text with everything that is not printable replaced by a blank and cut to limit characters: no line breaks that
// forge log lines, no direction marks that turn a page around.
func printable(text string, limit int) string {
	var b strings.Builder
	count := 0
	for _, r := range text {
		if count == limit {
			return b.String() + "…"
		}
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			r = ' '
		}
		b.WriteRune(r)
		count++
	}
	return strings.TrimSpace(b.String())
}

// quoted shows a value that came from outside in an error.
func quoted(value string) string {
	return strconv.Quote(printable(value, maxValue))
}

// secrets are the parameters of our forms that nobody else is to see.
func secrets() []string {
	return []string{"code", "code_verifier", "refresh_token", "token", "client_secret", "client_assertion", "state", "nonce"}
}

// leastSecret is how many characters a secret has at least, so that no common word is taken for one.
const leastSecret = 8

// discreet leaves out secrets, and words that are as long as tokens are.
func (p *Provider) discreet(text string, form url.Values) string {
	words := strings.Fields(p.withoutSecrets(text, form))
	for i, word := range words {
		if len(word) > 100 {
			words[i] = "…"
		}
	}
	return strings.Join(words, " ")
}

// withoutSecrets leaves out our secret, in any of its spellings, and those of a form that was sent.
func (p *Provider) withoutSecrets(text string, form url.Values) string {
	var hidden []string
	for _, name := range secrets() {
		if value := form.Get(name); len(value) >= leastSecret {
			hidden = append(hidden, url.QueryEscape(value), value)
		}
	}
	if p.options.ClientSecret != nil {
		secret := p.options.ClientSecret()
		basic := url.QueryEscape(p.options.ClientID) + ":" + url.QueryEscape(secret)
		hidden = append(hidden, base64.StdEncoding.EncodeToString([]byte(basic)), url.QueryEscape(secret), secret)
	}
	for _, spelling := range hidden {
		if spelling != "" {
			text = strings.ReplaceAll(text, spelling, "…")
		}
	}
	return text
}
