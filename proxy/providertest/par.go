package providertest

import (
	"crypto/rand"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// pushing tells whether pushed authorization requests are taken (RFC 9126), and whether no others are.
func (p *Provider) pushing() (offered, required bool) {
	for _, m := range p.mutations {
		offered = offered || m.PAR != ""
		required = required || m.PAR == "required"
	}
	return offered, required
}

// pushMetadata announces what is offered (RFC 9126 5).
func (p *Provider) pushMetadata(members map[string]any) {
	offered, required := p.pushing()
	if offered {
		members["pushed_authorization_request_endpoint"] = p.URL(Push)
		members["require_pushed_authorization_requests"] = required
	}
}

// servePush takes an authorization request ahead of the browser (RFC 9126 2).
func (p *Provider) servePush(w http.ResponseWriter, r *http.Request) {
	if offered, _ := p.pushing(); !offered {
		p.serveUnknown(w, r)
		return
	}
	if r.URL.RawQuery != "" {
		p.t.Error("the pushed request carries a query")
	}
	if err := p.checkClient(r); err != nil {
		p.refused(Push, err.Error())
		p.send(w, r, oauthError(http.StatusUnauthorized, "invalid_client", err.Error()))
		return
	}
	if fault := pushedFault(r.PostForm); fault != "" {
		p.refused(Push, fault)
		p.t.Errorf("the pushed request is wrong: %s", fault)
		p.send(w, r, oauthError(http.StatusBadRequest, "invalid_request", fault))
		return
	}
	if uris := p.registered().RedirectURIs; uris != nil && !slices.Contains(uris, r.PostForm.Get("redirect_uri")) {
		p.refused(Push, "redirect_uri is not registered")
		p.send(w, r, oauthError(http.StatusBadRequest, "invalid_request", "redirect_uri is not registered"))
		return
	}
	a := newAnswer(map[string]any{"request_uri": p.keepPushed(r.PostForm), "expires_in": 60})
	a.Status = http.StatusCreated
	for _, m := range p.mutations {
		if m.PushReply != nil {
			m.PushReply(p, a)
		}
	}
	p.send(w, r, a)
}

// pushedFault says what is wrong with a pushed request besides what is wrong with any.
func pushedFault(form url.Values) string {
	if form.Has("request_uri") {
		return "request_uri is inside the pushed request (RFC 9126 2.1)"
	}
	return faultOf(form)
}

func (p *Provider) keepPushed(form url.Values) (reference string) {
	reference = "urn:ietf:params:oauth:request_uri:" + rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pushed[reference] = form
	return reference
}

// pushedRequest is the request that a browser refers to, which is good for once (RFC 9126 7.3). Nothing but client_id stands
// beside the reference (4); login_hint is not the client's but the person's choice, see [Provider.SignIn].
func (p *Provider) pushedRequest(q url.Values) (url.Values, error) {
	for name, values := range q {
		if name != "client_id" && name != "request_uri" && name != "login_hint" || len(values) != 1 {
			p.t.Errorf("the browser carries %s beside a pushed request", name)
			return nil, errors.New(name + " does not belong there")
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	kept, ok := p.pushed[q.Get("request_uri")]
	if !ok || q.Get("client_id") != ClientID {
		return nil, errors.New("request_uri is unknown, used, or another client's")
	}
	delete(p.pushed, q.Get("request_uri"))
	request := maps.Clone(kept)
	if q.Has("login_hint") {
		request.Set("login_hint", q.Get("login_hint"))
	}
	return request, nil
}
