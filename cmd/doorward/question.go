package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"doorward/proxy/access"
)

// question is a request that somebody who is signed in makes.
type question struct {
	method, host, path string // path as on the request line, without query
	person             access.Subject
}

const explainUsage = `usage: doorward explain [METHOD] URL [--group G]… [--email E] [--user U] [--claim k=v]… [--acr X]
                        [--age D] [--ip A]
       doorward explain '<line of the access log>' [flags]
`

func parseQuestion(args []string, errOut io.Writer) (*question, int, bool) {
	q := new(question)
	flags := newFlags("explain", errOut)
	q.personFlags(flags)
	if status, ok := flags.parse(args, 2); !ok {
		return nil, status, false
	}
	if err := q.setRequest(flags.words); err != nil {
		fmt.Fprintf(errOut, "doorward explain: %v\n%s", err, explainUsage)
		return nil, exitUsage, false
	}
	return q, exitOK, true
}

// personFlags defines the flags that say who asks. The login is taken to have
// just happened unless --age says otherwise, so that only what a rule asks of
// the person counts.
func (q *question) personFlags(f *flags) {
	q.person.Now = time.Now()
	q.person.AuthTime = q.person.Now
	q.person.Claims = make(map[string]any)
	f.StringVar(&q.person.User, "user", "", "the user's name")
	f.StringVar(&q.person.Email, "email", "", "the user's e-mail address, vouched for by the provider")
	f.StringVar(&q.person.ACR, "acr", "", "authentication context of the login")
	f.Func("age", "how long ago the login was, e.g. 20m", q.setAge)
	f.Func("group", "a group of the user; may be repeated", func(g string) error {
		q.person.Groups = append(q.person.Groups, g)
		return nil
	})
	f.Func("claim", "a claim as name=value; repeated, the values make a list", q.addClaim)
	f.Func("ip", "the client's address", q.setIP)
}

func (q *question) setAge(text string) error {
	age, err := time.ParseDuration(text)
	if err != nil || age < 0 {
		return errors.New("write a duration, e.g. 20m or 8h")
	}
	q.person.AuthTime = q.person.Now.Add(-age)
	return nil
}

func (q *question) setIP(text string) (err error) {
	if q.person.IP, err = netip.ParseAddr(text); err != nil {
		return errors.New("write an address, e.g. 10.1.2.3")
	}
	return nil
}

func (q *question) addClaim(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return errors.New("write name=value")
	}
	switch before := q.person.Claims[name].(type) {
	case nil:
		q.person.Claims[name] = value
	case []any:
		q.person.Claims[name] = append(before, value)
	default:
		q.person.Claims[name] = []any{before, value}
	}
	return nil
}

// setRequest reads "[METHOD] URL" or a line of the access log.
func (q *question) setRequest(words []string) error {
	switch {
	case len(words) == 1 && isAccessLine(words[0]):
		return q.setAccessLine(words[0])
	case len(words) == 1:
		q.method = "GET"
		return q.setURL(words[0])
	case len(words) == 2:
		q.method = strings.ToUpper(words[0])
		return q.setURL(words[1])
	}
	return errors.New("there is no URL")
}

// setAccessLine takes the request and who made it; flags say better who asks.
func (q *question) setAccessLine(text string) error {
	line, err := parseAccessLine(text)
	if err != nil {
		return fmt.Errorf("reading the line of the access log: %w", err)
	}
	q.method, q.host, q.path = line.Method, line.Host, line.Path
	if q.person.User == "" {
		q.person.User = line.User
	}
	if !q.person.IP.IsValid() {
		q.person.IP, _ = netip.ParseAddr(line.ClientIP) // absent where the peer has none
	}
	return nil
}

// setURL takes the URL apart by hand: net/url would tidy the path, whose very
// bytes the rules are about.
func (q *question) setURL(text string) error {
	if scheme, rest, ok := strings.Cut(text, "://"); ok && !strings.ContainsAny(scheme, "/?#") {
		end := min(len(rest), strings.IndexAny(rest+"/", "/?#"))
		q.host, text = rest[:end], rest[end:]
	}
	text, _, _ = strings.Cut(text, "#") // browsers never send it
	text, _, _ = strings.Cut(text, "?") // no rule looks at it
	if text == "" && q.host != "" {
		text = "/"
	}
	if !strings.HasPrefix(text, "/") {
		return fmt.Errorf("%q is neither a URL nor a path", text)
	}
	q.path = text
	return nil
}
