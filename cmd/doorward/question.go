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
	described          bool        // by flags
	logged             *accessLine // which the question was read from; nil for none
}

// questions are those of one command.
type questions struct {
	list   []*question
	passed int // lines that are about no request
}

const explainUsage = `usage: doorward explain [METHOD] URL [--group G]… [--email E] [--user U] [--claim k=v]… [--acr X]
                        [--age D] [--ip A]
       doorward explain '<lines of the access log>' [flags]
       doorward explain - [flags]     reads them from standard input
`

func parseQuestions(args []string, in io.Reader, errOut io.Writer) (*questions, int, bool) {
	q := new(question)
	flags := newFlags("explain", errOut)
	q.personFlags(flags)
	if status, ok := flags.parse(args, 2); !ok {
		return nil, status, false
	}
	q.described = q.person.User != "" || q.person.Email != "" || q.person.ACR != "" || len(q.person.Groups)+len(q.person.Claims) > 0
	asked, err := q.read(flags.words, in)
	if err != nil {
		fmt.Fprintf(errOut, "doorward explain: %v\n%s", err, explainUsage)
		return nil, exitUsage, false
	}
	return asked, exitOK, true
}

// read makes the questions of "[METHOD] URL", or of lines of the access log, for the person of q.
func (q *question) read(words []string, in io.Reader) (*questions, error) {
	if len(words) == 1 && words[0] == "-" {
		return q.readLines(in)
	}
	if len(words) == 1 && isAccessLine(words[0]) {
		return q.readLines(strings.NewReader(words[0]))
	}
	return &questions{list: []*question{q}}, q.setRequest(words)
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

// setRequest reads "[METHOD] URL".
func (q *question) setRequest(words []string) error {
	switch len(words) {
	case 1:
		q.method = "GET"
		return q.setURL(words[0])
	case 2:
		if strings.Contains(words[0], "/") {
			return fmt.Errorf("%q is no method; ask about one URL at a time", words[0])
		}
		q.method = strings.ToUpper(words[0])
		return q.setURL(words[1])
	}
	return errors.New("there is no URL")
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
