package proxy

import (
	"net/url"
	"strings"

	"doorward/proxy/access"
)

// The challenges of WWW-Authenticate (RFC 9110 11.6.1), of which one is of interest: that of an upstream to which the person's
// login is not enough (RFC 9470 3). Rules that this file keeps:
//
//   - What an upstream says is read strictly, or not at all: a header that does not parse to its end, a parameter that comes
//     twice, two such challenges, a value that nobody could ask for.
//   - The work is bounded by maxChallenges, whatever the header holds.

// maxChallenges bounds the header, in bytes of all its lines.
const maxChallenges = 8 << 10

// insufficient is the error of RFC 9470 3, in challenges as well as in JSON.
const insufficient = "insufficient_user_authentication"

// writeChallenge says what a login would have to be. Its words need no escape (RFC 6750 3).
func writeChallenge(asks access.StepUp, description string) string {
	text := `Bearer error="` + insufficient + `", error_description="` + description + `"`
	if len(asks.ACR) > 0 {
		text += `, acr_values="` + acrText(asks) + `"`
	}
	if asks.MaxAge != nil {
		text += `, max_age="` + maxAgeText(asks) + `"`
	}
	return text
}

// readChallenge finds what an upstream asks of the login.
func readChallenge(lines []string) (asks access.StepUp, ok bool) {
	challenges, ok := parseChallenges(lines)
	if !ok {
		return access.StepUp{}, false
	}
	var found []challenge
	for _, c := range challenges {
		if strings.EqualFold(c.scheme, "Bearer") && c.params.Get("error") == insufficient {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		return access.StepUp{}, false
	}
	return parseStepUp(found[0].params)
}

// challenge is a scheme and its parameters, their names in lower case; nil where it has a token68 in their place.
type challenge struct {
	scheme string
	params url.Values
}

// parseChallenges reads all lines of the header, each a list of challenges of its own.
func parseChallenges(lines []string) (all []challenge, ok bool) {
	if len(strings.Join(lines, "")) > maxChallenges {
		return nil, false
	}
	for _, line := range lines {
		p := challengeParser{rest: line}
		for p.rest = strings.TrimLeft(p.rest, ", \t"); p.rest != ""; p.rest = strings.TrimLeft(p.rest, ", \t") {
			if !p.element() || !p.ends() {
				return nil, false
			}
		}
		all = append(all, p.found...)
	}
	return all, true
}

// challengeParser reads one line. Commas separate challenges as well as their parameters: what a name is, is decided by
// whether an equals sign follows.
type challengeParser struct {
	rest  string
	found []challenge
}

// element reads up to the next comma: a parameter, or a scheme with what stands beside it.
func (p *challengeParser) element() bool {
	name := p.take(isTokenChar)
	blanks := p.take(isBlank)
	switch {
	case name == "":
		return false
	case strings.HasPrefix(p.rest, "="):
		return p.value(name)
	}
	p.found = append(p.found, challenge{name, url.Values{}})
	switch {
	case p.ends():
		return true
	case blanks == "":
		return false
	case p.token68():
		p.found[len(p.found)-1].params = nil
		return true
	}
	name = p.take(isTokenChar)
	p.take(isBlank)
	return strings.HasPrefix(p.rest, "=") && p.value(name)
}

// value reads "=" and a parameter's value, which belongs to the latest challenge.
func (p *challengeParser) value(name string) bool {
	p.rest = p.rest[1:]
	p.take(isBlank)
	value, ok := p.take(isTokenChar), true
	if value == "" {
		value, ok = p.quoted()
	}
	p.take(isBlank)
	if !ok || len(p.found) == 0 {
		return false
	}
	params, name := p.found[len(p.found)-1].params, strings.ToLower(name)
	if params == nil || params.Has(name) {
		return false
	}
	params.Set(name, value)
	return true
}

// quoted reads a quoted string (RFC 9110 5.6.4).
func (p *challengeParser) quoted() (value string, ok bool) {
	if !strings.HasPrefix(p.rest, `"`) {
		return "", false
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		c := p.rest[i]
		if c == '"' {
			p.rest = p.rest[i+1:]
			return b.String(), true
		}
		if c == '\\' && i+1 < len(p.rest) {
			i++
			c = p.rest[i]
		}
		if c < ' ' && c != '\t' || c == 0x7f {
			return "", false
		}
		b.WriteByte(c)
	}
	return "", false
}

// token68 reads one, if it is one up to the next comma: "a=" is, "a=b" is a parameter.
func (p *challengeParser) token68() bool {
	before := p.rest
	ok := p.take(isToken68Char) != ""
	p.take(func(c byte) bool { return c == '=' })
	p.take(isBlank)
	if ok && p.ends() {
		return true
	}
	p.rest = before
	return false
}

// take reads as many characters as fit.
func (p *challengeParser) take(fits func(byte) bool) string {
	n := 0
	for n < len(p.rest) && fits(p.rest[n]) {
		n++
	}
	taken := p.rest[:n]
	p.rest = p.rest[n:]
	return taken
}

func (p *challengeParser) ends() bool { return p.rest == "" || p.rest[0] == ',' }

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// What tokens consist of, such as the names of schemes (RFC 9110 5.6.2), and what else may stand behind a scheme (11.2).
const (
	alphanumeric      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	tokenCharacters   = alphanumeric + "!#$%&'*+-.^_`|~"
	token68Characters = alphanumeric + "-._~+/"
)

func isTokenChar(c byte) bool { return strings.IndexByte(tokenCharacters, c) >= 0 }

func isToken68Char(c byte) bool { return strings.IndexByte(token68Characters, c) >= 0 }
