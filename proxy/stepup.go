package proxy

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"doorward/proxy/access"
	"doorward/session"
)

// To be signed in is not always enough: a page may want it done in a certain way (acr), or lately (max_age). Rules ask for
// that with acr: and max-age:, upstreams with a challenge of their own (RFC 9470), and applications in a page with the
// login_url that they were given. People are sent to the provider once more, which is asked for it, and come back to where they
// were (RFC 9470 calls it a step-up); programs get 401 and are told what is missing.
//
// Rules that this file keeps:
//
//   - Asked once. When the provider falls short (provider/stepup.go), the login fails on a page that says so, the session
//     stays as it was, and nothing starts by itself.
//   - Nobody is sent in circles. A session that was made just now, of a login as recent as is asked for, is as good as it gets:
//     differing clocks, or a max-age shorter than signing in takes, end on a page. Whatever else comes round again and again is
//     counted as a loop (loops.go): a request that ends in a step-up does not count as use of its session.
//   - Rules come first. What an upstream asks for is asked for together with what the rules ask for, or not at all; and of several
//     values those that every login is asked for (AUTH_PARAMS) are enough.
//   - An upstream is heard where it got the access token of a person with a session, who waits for a page: the challenge is about
//     the token that it was sent (RFC 9470 3). Everybody else gets its answer as it is. At a host whose logins begin at another origin
//     (siblings.go), it may ask for what anybody may ask of that one.

const (
	// justNow is how long after a login nobody is sent to another one only because it is too old already.
	justNow = 10 * time.Second
	// loginSlack is how much older than asked for a login may be when its session is made: the provider's check allows for
	// clocks that differ, and the tokens take a moment.
	loginSlack = time.Minute
)

// loginNeeded says that a login would help, one for which the provider is asked for more than who somebody is.
type loginNeeded struct {
	asks  access.StepUp
	cause error // errNoSession, or what those are told who are signed in and cannot be sent to a login
}

func (n *loginNeeded) Error() string { return n.cause.Error() }

func (n *loginNeeded) Unwrap() error { return n.cause }

// needs is the login that an error asks for.
func needs(err error) access.StepUp {
	if needed, ok := errors.AsType[*loginNeeded](err); ok {
		return needed.asks
	}
	return access.StepUp{}
}

// signInFirst lets the first login of somebody without a session ask for what the rules leave no alternative to: one trip is enough.
func signInFirst(err error, asks access.StepUp) error {
	if asks.IsZero() || !errors.Is(err, errNoSession) {
		return err
	}
	return &loginNeeded{asks, err}
}

// stepUp is what becomes of a refusal: the login that would mend it, if there is one that has not just been made.
func (p *Proxy) stepUp(x *exchange, r *http.Request, who *identity, refusal *access.Refusal, refused *failure) error {
	asks := p.preferred(refusal.StepUp)
	switch {
	case asks.IsZero():
		return refused
	case isNavigation(r) && asGoodAsItGets(who.session, asks):
		return tooOldAlready(refused, p.returnAddress(requested(x, r), x.origin))
	}
	f := loginInsufficient(asks)
	f.reason, f.cause = refused.reason, refused.cause
	if who.bearer { // the program's own token is what does not suffice, and no cookie of a login would replace it
		return f
	}
	if f.person = asksForPage(r); f.person && x.origin != nil { // a form that was posted: what it held is not sent again by itself
		f.actions = []action{{Label: "Sign in again", Address: "start" + startQuery(p.returnAddress(requested(x, r), x.origin), asks)}}
	}
	return &loginNeeded{asks, f}
}

// challenged is the login that an upstream's answer asks for, nil where the answer is to pass as it is.
func (p *Proxy) challenged(d *delivery, answer *http.Response) *loginNeeded {
	sent := d.who != nil && d.upstream.Token != "none" && d.who.token() != ""
	if answer.StatusCode != http.StatusUnauthorized || !sent || d.who.bearer || d.x.origin == nil || !isNavigation(d.in) {
		return nil
	}
	asks, ok := readChallenge(answer.Header["Www-Authenticate"])
	subject := p.subject(d.x, d.who)
	if !ok || asks.SatisfiedBy(&subject) || asGoodAsItGets(d.who.session, asks) {
		return nil
	}
	if asks, ok, _ = d.route.StepUp(&subject, asks); !ok {
		return nil
	}
	asks = p.preferred(asks)
	if d.x.origin.door != nil && !p.mayAskFor(asks.ACR) {
		return nil
	}
	f := loginInsufficient(asks)
	f.reason, f.cause = "upstream", errors.New("the upstream asks for another login")
	return &loginNeeded{asks, f}
}

// asGoodAsItGets says that another login would hardly be more recent than that of which the session was made just now.
func asGoodAsItGets(s *session.Session, asks access.StepUp) bool {
	anyAge := access.StepUp{ACR: asks.ACR}
	return asks.MaxAge != nil && anyAge.SatisfiedBy(&access.Subject{ACR: s.ACR}) &&
		time.Since(s.CreatedAt) < justNow && s.CreatedAt.Sub(s.AuthTime) <= *asks.MaxAge+loginSlack
}

// preferred keeps of the ACR values those that every login is asked for (AUTH_PARAMS), where there are any: no login is asked for less.
func (p *Proxy) preferred(asks access.StepUp) access.StepUp {
	common := slices.DeleteFunc(slices.Clone(asks.ACR), func(acr string) bool { return !slices.Contains(p.usualACR, acr) })
	if len(common) > 0 {
		asks.ACR = common
	}
	return asks
}

// mayAskFor says whether somebody who begins a login may choose these values: some page, or every login, asks for them.
func (p *Proxy) mayAskFor(values []string) bool {
	return !slices.ContainsFunc(values, func(acr string) bool { return !slices.Contains(p.rules.Load().knownACR, acr) })
}

// askFor notes in a login what the provider is asked for; the answer has to meet it.
func askFor(login *session.Login, asks access.StepUp) {
	login.ACRValues, login.MaxAge = acrText(asks), maxAgeText(asks)
}

// askedFor is what askFor noted.
func askedFor(login *session.Login) access.StepUp {
	asks := access.StepUp{ACR: strings.Fields(login.ACRValues)}
	if login.MaxAge != "" {
		age, _ := parseSeconds(login.MaxAge) // what does not parse is 0, the strictest
		asks.MaxAge = &age
	}
	return asks
}

// parseStepUp reads acr_values and max_age as others write them (OIDC Core 3.1.2.1). ok is false where one does not parse, or both are missing.
func parseStepUp(params url.Values) (asks access.StepUp, ok bool) {
	if params.Has("acr_values") {
		if asks.ACR, ok = access.ParseACR(params.Get("acr_values")); !ok {
			return access.StepUp{}, false
		}
	}
	if params.Has("max_age") {
		age, err := parseSeconds(params.Get("max_age"))
		if err != nil {
			return access.StepUp{}, false
		}
		asks.MaxAge = &age
	}
	return asks, !asks.IsZero()
}

// parseSeconds reads a number of seconds, up to some 68 years, with which no clock overflows.
func parseSeconds(text string) (time.Duration, error) {
	seconds, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, err
	}
	return time.Duration(seconds) * time.Second, nil
}

func acrText(asks access.StepUp) string { return strings.Join(asks.ACR, " ") }

func maxAgeText(asks access.StepUp) string {
	if asks.MaxAge == nil {
		return ""
	}
	return strconv.FormatInt(int64(min(*asks.MaxAge/time.Second, math.MaxInt32)), 10) // more is refused by some who read it
}

// startQuery makes the query of /oauth2/start that leads back to an address and asks for a login.
func startQuery(returnTo string, asks access.StepUp) string {
	query := url.Values{}
	for name, value := range map[string]string{"rd": returnTo, "acr_values": acrText(asks), "max_age": maxAgeText(asks)} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if len(query) == 0 {
		return ""
	}
	return "?" + query.Encode()
}

// inWords says to people what a login is asked for.
func inWords(asks access.StepUp) string {
	var words []string
	if len(asks.ACR) > 0 {
		words = append(words, "acr "+strings.Join(asks.ACR, " or "))
	}
	if asks.MaxAge != nil {
		words = append(words, fmt.Sprintf("a login that is not older than %s", *asks.MaxAge))
	}
	return strings.Join(words, ", ")
}
