package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"doorward/proxy/access"
)

// Rules that this file keeps:
//
//   - Whatever cannot be decided is refused: a path with two meanings, a rule that is missing, a destination that
//     does not parse.
//   - Neither query string nor any header chooses a rule, but for the Destination of COPY and MOVE, which must be
//     allowed as well (RFC 4918 10.3).
//   - More than one Authorization header is 400 (RFC 9110 11.6.2 knows one).

// pass takes a request to its upstream, if its rule lets it.
func (p *Proxy) pass(x *exchange, r *http.Request) error {
	route, who, err := p.decide(x, r)
	if err != nil {
		return err
	}
	if err = p.forward(x, r, route, who); err != nil {
		p.arrived(who, err) // where all is well, prepareAnswer has noted it
	}
	return err
}

// decide says whether a request may pass, and with whose identity, whoever takes it to the application: an upstream's proxy here, or the
// server in front that asks (forwardauth.go).
func (p *Proxy) decide(x *exchange, r *http.Request) (*access.Route, *identity, error) {
	route, err := x.rules.policy.Route(r.Method, x.host, x.path)
	if err != nil {
		return nil, nil, p.badPath(err)
	}
	x.rule = route.Rule()
	if err := p.oneAuthorization(r); err != nil {
		return nil, nil, err
	}
	who, err := p.authorize(x, r, route)
	if err != nil {
		return nil, nil, err
	}
	x.connection.rule = askedOf(route, r)
	if err := p.refuseOtherSites(x, r, who); err != nil {
		return nil, nil, err
	}
	if r.Method == "COPY" || r.Method == "MOVE" {
		if err := p.authorizeDestination(x, r, route); err != nil {
			return nil, nil, err
		}
	}
	return route, who, nil
}

// arrived notes that a session came with a request, whatever else came of it: the browser keeps it. Only what leads to another
// login does not count.
func (p *Proxy) arrived(who *identity, err error) {
	if needed, _ := errors.AsType[*loginNeeded](err); needed == nil && who != nil {
		p.loops.arrived(who.session.ID)
	}
}

// authorizeDestination asks the rule of where COPY and MOVE write to (RFC 4918 10.3). What is decided is what the upstream
// reads: an address of this host and this upstream, as it stands, and no prefix is removed there.
func (p *Proxy) authorizeDestination(x *exchange, r *http.Request, from *access.Route) error {
	destinations := r.Header.Values("Destination")
	if len(destinations) != 1 {
		return badRequest("COPY and MOVE need exactly one Destination header")
	}
	if p.front != nil && p.front.asksAsItIs() && strings.Contains(destinations[0], ",") {
		return badRequest("there are two Destination headers, or one with a comma, which here is to be written as %2C")
	}
	path, ok := pathOf(destinations[0])
	if !ok || !sameHost(destinations[0], x.host) {
		return badRequest("the Destination header is no plain address of this host")
	}
	to, err := x.rules.policy.Route(r.Method, x.host, path)
	if err != nil {
		return p.badPath(err)
	}
	if to.Upstream() != from.Upstream() || to.Upstream() >= 0 && p.upstreams[to.Upstream()].Strip != "" {
		return badRequest("the Destination header leads to another upstream, or to one that knows itself under other paths")
	}
	who, err := p.authorize(x, r, to)
	if err != nil {
		return err
	}
	x.connection.toRule = askedOf(to, r)
	return p.refuseOtherSites(x, r, who) // the path itself may be public, and then nobody has looked at this session yet
}

// sameHost says whether an address is a path, or one of that host.
func sameHost(address, host string) bool {
	u, err := url.Parse(address)
	if err != nil || u.User != nil {
		return false
	}
	there, ok := access.Hostname(u.Host)
	return u.Host == "" && strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//") || ok && there == host
}

// authorize asks one route's rule. It returns whose identity goes along, nil for nobody's.
func (p *Proxy) authorize(x *exchange, r *http.Request, route *access.Route) (*identity, error) {
	foreign := r.Header.Get("Authorization") != ""
	switch route.Access() {
	case access.Public:
		return p.publicIdentity(x, r, foreign), nil
	case access.UpstreamAuth:
		if foreign {
			return nil, nil
		}
	case access.Deny:
		who, _ := p.recognize(x, r) // for the log
		x.subject = p.subject(x, who)
		return nil, p.deny(x, r, route, who, route.Check(&x.subject))
	}
	who, err := p.authenticate(x, r)
	if err != nil {
		if route.ChallengeBasic() && errors.Is(err, errNoSession) && !isNavigation(r) { // what is told is 401 then
			x.Header().Add("WWW-Authenticate", `Basic realm="doorward"`)
		}
		return nil, signInFirst(err, p.preferred(route.AtLogin()))
	}
	x.subject = p.subject(x, who)
	if refusal := route.Check(&x.subject); refusal != nil {
		return nil, p.deny(x, r, route, who, refusal)
	}
	return who, nil
}

// askedOf is the rule that a request has to meet at a route, nil where there is none.
func askedOf(route *access.Route, r *http.Request) *access.Route {
	switch route.Access() {
	case access.Public:
		return nil
	case access.UpstreamAuth:
		if r.Header.Get("Authorization") != "" {
			return nil
		}
	}
	return route
}

// publicIdentity is whose identity a public path gets: that of a valid session, unless the request brings an
// Authorization of its own, which is then the upstream's business alone, or may be another site's doing. Nothing is asked of anybody,
// and for a refresh nobody waits long.
func (p *Proxy) publicIdentity(x *exchange, r *http.Request, foreign bool) *identity {
	if foreign || p.acrossSites(x, r) != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), refreshPatience)
	defer cancel()
	who, err := p.authenticate(x, r.WithContext(ctx))
	if err != nil {
		return nil
	}
	return who
}

// subject is what rules may ask about a person.
func (p *Proxy) subject(x *exchange, who *identity) access.Subject {
	return p.subjectUnder(x.rules, x.client.address(), who)
}

// deny counts a refusal by a rule, and gives what the client is told: that, or the login that would mend it.
func (p *Proxy) deny(x *exchange, r *http.Request, route *access.Route, who *identity, refusal *access.Refusal) error {
	x.rule = route.Rule() // of a destination, where that is what is refused
	p.metrics.denials.WithLabelValues(x.rule, refusal.Reason).Inc()
	refused := denied(route, refusal, who)
	if refusal.NeedsGroups {
		refused.aboutGroups(p.groupsOf(who.session, x.rules), who)
	}
	if who != nil && who.bearer {
		refused.insufficientScope()
	}
	err := p.stepUp(x, r, who, refusal, refused)
	p.arrived(who, err)
	return err
}
