package pages

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"
)

// policy is the Content-Security-Policy of a page with these styles: nothing else passes, but for pictures and fonts from where
// pictures may come. form-action is not restricted, since browsers apply it to the redirects that follow signing out, which lead
// to the provider.
func policy(pictures string, styles ...string) string {
	allowed := "'none'"
	if len(styles) > 0 {
		hashes := make([]string, len(styles))
		for i, style := range styles {
			hashes[i] = hash(style)
		}
		allowed = strings.Join(hashes, " ")
	}
	return "default-src 'none'; style-src " + allowed + "; img-src " + pictures + "; font-src " + pictures + "; base-uri 'none'; frame-ancestors 'none'"
}

// hash is the source expression that allows exactly this text (Content Security Policy Level 3, 2.3.1).
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// stylesOf are the contents of a page's style elements.
func stylesOf(body []byte) []string {
	var styles []string
	for _, found := range regexp.MustCompile(`(?is)<style[^>]*>(.*?)</style\s*>`).FindAllSubmatch(body, -1) {
		styles = append(styles, string(found[1]))
	}
	return styles
}
