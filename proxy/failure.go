package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"doorward/proxy/access"
)

// failure is an error that knows how it is told: to the client in fixed phrases, to the log with its cause.
type failure struct {
	status  int
	code    string // "error" in JSON, and the outcome in log and metric
	reason  string // a fixed word that says more, for the log
	event   string // an event of its own in the log, besides the request's
	title   string
	text    []string
	details []detail
	notes   []string // for whoever runs doorward: what to look at. Pages alone show them
	actions []action // what to do next, the likeliest first
	header  http.Header
	person  bool          // told as a page whoever asks: only browsers come here
	program bool          // told as JSON whoever asks: only programs come here
	asks    access.StepUp // what the login_url of a 401 asks for
	cause   error
}

func (f *failure) Error() string {
	if f.cause != nil {
		return f.cause.Error()
	}
	return f.title
}

func (f *failure) Unwrap() error { return f.cause }

// description is what programs, and challenges, are told in a sentence or two.
func (f *failure) description() string {
	return strings.Join(append([]string{f.title + "."}, f.text[:min(1, len(f.text))]...), " ")
}

// asFailure is the failure in an error; an error without one means that something is wrong in doorward.
func asFailure(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	return broken(err)
}

// because adds what the log, and nobody else, is told.
func (f *failure) because(cause error) *failure {
	f.cause = cause
	return f
}

// retryAfter tells the client how many seconds to wait (RFC 9110 10.2.3).
func (f *failure) retryAfter(seconds int) *failure {
	f.header = http.Header{"Retry-After": {strconv.Itoa(seconds)}}
	return f
}

// forPrograms tells it as JSON whoever asks.
func forPrograms(f *failure) *failure {
	f.program = true
	return f
}

// Requests that no upstream would want.

func badRequest(why string) *failure {
	return &failure{status: http.StatusBadRequest, code: "bad_request", title: "This request cannot be understood",
		text: []string{"It was refused before it reached the application: " + why + "."}, cause: errors.New(why)}
}

func badTarget(why string) *failure {
	f := badRequest(why)
	f.code = "bad_path"
	return f
}

func methodRefused(allowed string) *failure {
	return &failure{status: http.StatusMethodNotAllowed, code: "method_refused", title: "This method is not allowed here",
		text: []string{"Allowed are: " + allowed + "."}, header: http.Header{"Allow": {allowed}}}
}

// badPath tells a path with several meanings from one that is malformed.
func (p *Proxy) badPath(err error) *failure {
	ambiguous, ok := errors.AsType[*access.AmbiguousPathError](err)
	if !ok {
		f := badTarget("its path is malformed")
		f.cause = err
		return f
	}
	p.metrics.ambiguousPaths.Inc()
	f := &failure{status: http.StatusBadRequest, code: "ambiguous_path", reason: "ambiguous_path", event: "ambiguous_path",
		title: "This address can be read in two ways",
		text: []string{"Different servers would read it differently, and different rules would apply. So it is not passed on. " +
			"Write the address in its plain form."},
		actions: []action{toStart()},
		details: []detail{
			{"Rule as written", ambiguous.Rules[0]},
			{"Rule as read", ambiguous.Rules[1]},
			{"Who reads it so", ambiguous.Meaning},
		},
		cause: err}
	if ambiguous.Trait != "" {
		f.details = append(f.details, detail{"If the upstream never does", "its entry in DOORWARD_UPSTREAMS may say paths=" + ambiguous.Trait})
	}
	return f
}

func (p *Proxy) unknownHost(host string) *failure {
	return &failure{status: http.StatusMisdirectedRequest, code: "unknown_host", event: "unknown_host",
		title:   "Nothing is served under this name",
		text:    []string{"This host is not one that doorward was told about."},
		notes:   []string{"If it should be, add its origin to DOORWARD_PUBLIC_URL."},
		actions: []action{p.toCanonical()},
		cause:   fmt.Errorf("host %.100q is not in DOORWARD_PUBLIC_URL, and no rule or upstream names it", host)}
}

// notAnOrigin is for people at a host from which no login could lead back. Where it shares sessions, one from elsewhere is as good.
func (p *Proxy) notAnOrigin(host string) *failure {
	f := &failure{status: http.StatusForbidden, code: "no_login_here", event: "no_login_here",
		title:   "Nobody can sign in under this name",
		text:    []string{"Pages of this host can be seen, but only those that ask for no login."},
		notes:   []string{"If people should sign in here, add the origin of this host to DOORWARD_PUBLIC_URL."},
		actions: []action{p.toCanonical()},
		cause:   fmt.Errorf("host %.100q is named by a rule or an upstream, but is no origin in DOORWARD_PUBLIC_URL", host)}
	if p.config.SharesSessions(host) {
		door := p.origins[0].String()
		f.text = []string{"Sign in at " + door + ", and then load this page again."}
		f.notes = []string{"If people should sign in here, name this host in a rule of its own, or in DOORWARD_PUBLIC_URL."}
		f.actions = []action{{Label: "Sign in at " + door, Address: p.endpointURL(p.origins[0], "/start")}}
	}
	return f
}

func notFound() *failure {
	return &failure{status: http.StatusNotFound, code: "not_found", title: "There is no such page",
		text: []string{"doorward has no page at this address."}, actions: []action{toStart()}}
}

// noFront is for a server in front that nobody told doorward of. It asks under a name of its own, so the name is not what is wrong.
func noFront() *failure {
	f := notFound()
	f.event, f.cause = "forward_auth_refused", errors.New("DOORWARD_FORWARD_AUTH is unset; where a server in front asks, it says which")
	return f
}

// questionRefused is for a server in front that asks otherwise than FORWARD_AUTH says, and for whoever poses as one.
func questionRefused(cause error) *failure {
	return forPrograms(&failure{status: http.StatusForbidden, code: "forward_auth_refused", event: "forward_auth_refused",
		title: "This is for the server in front", text: []string{"It did not ask as DOORWARD_FORWARD_AUTH says. The log says more."},
		cause: cause})
}

func ownEndpoint(prefix string) *failure {
	return &failure{status: http.StatusForbidden, code: "own_endpoint", event: "forward_auth_refused",
		title: "This address is doorward's own", text: []string{"The server in front has to pass it on to doorward, without asking."},
		cause: errors.New("the server in front asks about a path under " + prefix + "/, which it has to pass on without asking")}
}

// toCanonical leads to where people can sign in for sure.
func (p *Proxy) toCanonical() action {
	return action{Label: "Go to " + p.origins[0].String(), Address: p.origins[0].String() + "/"}
}

func toStart() action { return action{Label: "Go to the start page", Address: "/"} }

// Sessions whose access token is dead.

// cannotRefresh is for people and programs alike: a login would not get further than the refresh did.
func cannotRefresh() *failure {
	return &failure{status: http.StatusBadGateway, code: "refresh_unavailable", reason: "refresh_unavailable",
		title: "Your session cannot be renewed right now",
		text: []string{"You are still signed in, but the provider that vouches for you does not answer. doorward keeps trying. " +
			"Wait a moment and try again."},
		actions: []action{toStart()},
		cause:   errors.New("the access token has expired, and the provider is not available to refresh it")}
}

// sessionsUnavailable is for people and programs alike: whoever is signed in still is, and whoever is not would not get further.
func sessionsUnavailable(cause error) *failure {
	return (&failure{status: http.StatusServiceUnavailable, code: "sessions_unavailable", reason: "redis_unavailable",
		title: "Sessions cannot be looked up right now",
		text: []string{"The store in which doorward keeps who is signed in does not answer. doorward keeps trying. " +
			"Wait a moment and try again."},
		actions: []action{toStart()}, cause: cause}).retryAfter(5)
}

// Upstreams that fail, and clients that leave.

func noUpstream() *failure {
	return &failure{status: http.StatusNotFound, code: "no_upstream", title: "There is no such page",
		text: []string{"No upstream serves this address."}}
}

// leftToUs is a request that a server in front passed on, as it does when a question of its own is refused.
func leftToUs() *failure {
	return &failure{status: http.StatusNotFound, code: "no_upstream", title: "The server in front passed this on to doorward",
		text: []string{"You are let through, but the application is reached past doorward, by the server in front. It most likely asked " +
			"doorward in a way that was refused. Whoever runs doorward looks for forward_auth_refused in its log."},
		cause: errors.New("no upstream serves this address, and the server in front has to; forward_auth_refused says why it may not have")}
}

func upstreamDown(reason string, err error) *failure {
	return &failure{status: http.StatusBadGateway, code: "upstream_error", reason: reason, event: "upstream_error",
		title: "The application does not answer",
		text:  []string{"You are let through, but the application behind doorward cannot be reached. Try again in a moment."}, cause: err}
}

func upstreamTimeout(err error) *failure {
	return &failure{status: http.StatusGatewayTimeout, code: "upstream_timeout", reason: "timeout", event: "upstream_error",
		title: "The application takes too long",
		text:  []string{"You are let through, but the application behind doorward did not answer in time."}, cause: err}
}

// shuttingDown is for clients that another instance may serve.
func shuttingDown() *failure {
	f := &failure{status: http.StatusServiceUnavailable, code: "shutdown", reason: "shutdown", title: "doorward is being restarted",
		text: []string{"Try again in a moment."}}
	return f.retryAfter(1)
}

// endedMeanwhile is for clients that need no session, and came with one that ended before they had an answer.
func endedMeanwhile() *failure {
	f := &failure{status: http.StatusServiceUnavailable, code: "session_ended", reason: "session_ended", title: "Your session has ended meanwhile",
		text: []string{"This page needs none. Ask for it once more."}}
	return f.retryAfter(1)
}

// requestTimeout is for clients that do not send what they began to (RFC 9110 15.5.9).
func requestTimeout() *failure {
	return &failure{status: http.StatusRequestTimeout, code: "request_timeout", title: "This request did not arrive",
		text: []string{"Nothing more of its body came for as long as doorward waits (IDLE_TIMEOUT)."}}
}

func notAForm() *failure {
	return &failure{status: http.StatusUnsupportedMediaType, code: "bad_request", title: "This is not a form",
		text: []string{"The body must be application/x-www-form-urlencoded."}, cause: errors.New("the body is no form")}
}

func bodyTooLarge(err error) *failure {
	return &failure{status: http.StatusRequestEntityTooLarge, code: "body_too_large", reason: "body_too_large",
		title: "This is too large", text: []string{"The body of the request is larger than is accepted here."}, cause: err}
}

// statusClientGone is what logs show for a client that did not wait; nobody receives it.
const statusClientGone = 499

func clientGone(err error) *failure {
	return &failure{status: statusClientGone, code: "client_gone", reason: "client_gone", title: "The client went away", cause: err}
}

func broken(err error) *failure {
	return &failure{status: http.StatusInternalServerError, code: "internal_error", event: "internal_error",
		title: "Something is wrong in doorward",
		text:  []string{"The request was refused to be on the safe side. The log says more under the request id below."}, cause: err}
}
