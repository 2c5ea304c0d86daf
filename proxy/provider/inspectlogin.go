package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What of a login can be tried without a person:
//
//   - An authorization request with prompt=none shows nobody a page: the provider sends the browser back at once with an error such as
//     login_required (OIDC Core 3.1.2.1, 3.1.2.6). It does so to a registered redirect URI alone (RFC 6749 3.1.2.4).
//   - Providers that do not know prompt=none are asked as people would be, and once more for a redirect URI that nobody registered: where
//     both are answered alike, it cannot be told.
//   - Each request is one that a login could make. Nobody is signed in by it, and no cookie is kept.
//
// The token request, with a code that never was, is in inspectclient.go.

// tryTimeout bounds each step.
const tryTimeout = 4 * time.Second

// unregistered ends the redirect URI that nobody registered.
const unregistered = "/not-registered"

// tryLogin tries the redirect URIs, and who we are.
func (p *Provider) tryLogin(ctx context.Context, m *metadata, redirectURIs []string) []Finding {
	if len(redirectURIs) == 0 {
		return nil
	}
	var client Finding
	found := make([][]Finding, len(redirectURIs))
	var asked sync.WaitGroup
	asked.Go(func() { client = p.tryClient(ctx, m, redirectURIs[0]) })
	for i, uri := range redirectURIs {
		asked.Go(func() { found[i] = p.tryRedirectURI(ctx, m, uri) })
	}
	asked.Wait()
	return append([]Finding{client}, merge(slices.Concat(found...))...)
}

// merge leaves what several redirect URIs found alike out but once.
func merge(findings []Finding) []Finding {
	var kept []Finding
	for _, f := range findings {
		if !slices.Contains(kept, f) {
			kept = append(kept, f)
		}
	}
	return kept
}

// attempt is how the provider met an authorization request.
type attempt struct {
	answer *Answer // with which it sent the browser to the redirect URI; nil when it did not
	wrong  error   // with that answer; every login would end by it
	status int
	leads  string // where it sent the browser instead, without the query; "" for nowhere
	err    error  // the request could not be made
}

// same tells whether two attempts were met alike, as far as can be seen without reading pages.
func (a attempt) same(b attempt) bool { return a.status == b.status && a.leads == b.leads }

// refused tells that the browser was kept, with an error. One that may pass by itself says nothing about the request.
func (a attempt) refused() bool {
	return a.answer == nil && a.err == nil && a.status >= 400 && a.status < 500 && a.status != http.StatusTooManyRequests && a.status != http.StatusRequestTimeout
}

// try makes one authorization request.
func (p *Provider) try(ctx context.Context, m *metadata, redirectURI string, silent bool) attempt {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	r := NewRequest(redirectURI)
	query, err := p.tryQuery(ctx, m, r, silent)
	if err != nil {
		return attempt{err: err}
	}
	req, err := newRequest(ctx, http.MethodGet, withQuery(p.addresses.reach(m.AuthURL), query), nil, "text/html")
	if err != nil {
		return attempt{err: err}
	}
	got, err := p.client.send(req, "authorization", tryTimeout)
	if err != nil {
		return attempt{err: err}
	}
	return p.readAttempt(m, r, got)
}

// tryQuery is that of a login, pushed first where logins do that.
func (p *Provider) tryQuery(ctx context.Context, m *metadata, r Request, silent bool) (string, error) {
	parameters := p.parameters.form(p.parametersOf(r))
	parameters.Del("response_mode") // an answer in the address is one that can be read
	if silent {
		parameters.Set("prompt", "none")
	}
	push, err := p.mustPush(m)
	if err != nil || !push {
		return parameters.Encode(), err
	}
	return p.push(ctx, m, parameters)
}

func (p *Provider) readAttempt(m *metadata, r Request, got *reply) attempt {
	a := attempt{status: got.status}
	location := got.header.Get("Location")
	query, back := strings.CutPrefix(location, r.RedirectURI+"?")
	if !back {
		a.leads, _, _ = strings.Cut(location, "?")
		return a
	}
	a.answer = &Answer{}
	values, err := url.ParseQuery(query)
	if err == nil {
		*a.answer, err = ParseAnswer(values)
	}
	if err == nil {
		_, err = p.checkAnswer(m, r, *a.answer)
	}
	if known, ok := errors.AsType[*Error](err); !ok || known.Code == "" { // an error that the provider reports is no fault of its answer
		a.wrong = err
	}
	return a
}

// tryRedirectURI tells whether a redirect URI is registered, and what the provider makes of our authorization requests.
func (p *Provider) tryRedirectURI(ctx context.Context, m *metadata, uri string) []Finding {
	ours, other := p.tryBoth(ctx, m, uri, true)
	if ours.answer == nil && ours.err == nil {
		ours, other = p.tryBoth(ctx, m, uri, false)
	}
	if ours.answer != nil {
		return append([]Finding{answered(uri, other)}, p.inspectAnswer(ours)...)
	}
	return []Finding{p.compared(uri, m, ours, other)}
}

// tryBoth tries a redirect URI and, at the same time, one that nobody registered.
func (p *Provider) tryBoth(ctx context.Context, m *metadata, uri string, silent bool) (ours, other attempt) {
	var asked sync.WaitGroup
	asked.Go(func() { ours = p.try(ctx, m, uri, silent) })
	asked.Go(func() { other = p.try(ctx, m, uri+unregistered, silent) })
	asked.Wait()
	return ours, other
}

// answered: RFC 9700 2.1 wants redirect URIs compared to the letter. One that covers others, with a wildcard, lets whoever finds a page
// there that leads on take people's codes (4.1).
func answered(uri string, other attempt) Finding {
	f := Finding{ID: "provider.redirect-uri", Level: LevelOK, Subject: "redirect URI " + uri, Says: "is registered: the provider sends browsers back to it"}
	switch {
	case other.answer != nil:
		f.Level, f.Says = LevelNote, "is registered, and so is "+uri+unregistered+", which nobody asked for"
		f.Mend = "register exactly " + uri + " at the provider, without a wildcard (RFC 9700 2.1)"
	case other.refused():
		f.Says += ", and to no other: one that is not registered is refused"
	}
	return f
}

// inspectAnswer says what the answer, which is an error as a rule, tells of the request.
func (p *Provider) inspectAnswer(a attempt) []Finding {
	f := Finding{ID: "provider.request", Level: LevelFail, Subject: "authorization request"}
	switch {
	case a.wrong != nil:
		f.ID, f.Subject, f.Says = "provider.answer", "answer of the provider", a.wrong.Error()
		f.Mend = "mend this at the provider: doorward refuses every login that is answered so"
		return []Finding{f}
	case slices.Contains([]string{"", "login_required", "interaction_required", "consent_required", "account_selection_required"}, a.answer.Error):
		f.Level, f.Says = LevelOK, "is understood: the provider would now ask people to sign in"
		return []Finding{f}
	}
	f.Says = "is answered with " + p.saidIn(a.answer.Error, a.answer.ErrorDescription)
	f.Mend = p.mendRequest(a.answer.Error)
	if !slices.Contains([]string{"invalid_scope", "unauthorized_client", "unsupported_response_type"}, a.answer.Error) {
		// Of a request that asks for no page, more may be refused than of others.
		f.Level, f.Mend = LevelNote, "sign in once with a browser: whether people meet this too cannot be told from here"
	}
	return []Finding{f}
}

// notTried: neither a page nor a redirect came. Browsers may reach what doorward does not, but it is doorward that pushes.
func (p *Provider) notTried(uri string, m *metadata, err error) Finding {
	f := Finding{ID: "provider.redirect-uri", Level: LevelFail, Subject: "redirect URI " + uri}
	known, pushed := errors.AsType[*Error](err)
	switch {
	case !pushed:
		f.Level, f.Says = LevelNote, "cannot be told: "+err.Error()
		f.Mend = "see that browsers reach " + p.addresses.publish(m.AuthURL) + "; doorward itself need not"
		return f
	case m.pushURL == "":
		f.Says, f.Mend = "no login can begin: "+known.Error(), mendPush
		return f
	case known.Code == "":
		f.Says, f.Mend = "no login can begin: "+known.Error(), "see that "+p.addresses.reach(m.pushURL)+" can be reached from here, and look at the provider"
		return f
	}
	f.Says = "the pushed authorization request is refused with " + p.saidIn(known.Code, known.Description)
	f.Mend = "register exactly " + uri + " at the provider"
	if !strings.Contains(strings.ToLower(known.Code+known.Description), "redirect") { // no code stands for that alone (RFC 9126 2.3)
		f.ID, f.Subject, f.Mend = "provider.request", "authorization request", p.mendRequest(known.Code)
	}
	return f
}

// mendRequest is what to do about an authorization request that is refused.
func (p *Provider) mendRequest(code string) string {
	switch code {
	case "invalid_client":
		return p.mendClient()
	case "unauthorized_client", "unsupported_response_type":
		return "allow the client the authorization code flow at the provider"
	case "invalid_scope":
		return "take out of DOORWARD_SCOPES what the provider does not give this client, or let it give that"
	}
	return "mend what it complains of, in DOORWARD_SCOPES, DOORWARD_AUTH_PARAMS, or with the client at the provider"
}

// compared judges by how the provider meets a redirect URI that nobody registered.
func (p *Provider) compared(uri string, m *metadata, ours, other attempt) Finding {
	f := Finding{ID: "provider.redirect-uri", Level: LevelNote, Subject: "redirect URI " + uri}
	switch {
	case ours.err != nil:
		return p.notTried(uri, m, ours.err)
	case ours.refused():
		f.Level = LevelFail
		f.Says = "the provider keeps the browser, with an error page (" + strconv.Itoa(ours.status) + "), as it does when the redirect URI is not registered"
		f.Mend = "register exactly " + uri + " at the provider, and compare DOORWARD_CLIENT_ID with what it shows there"
	case other.refused(), other.err == nil && ours.status < 400 && !ours.same(other):
		f.Level, f.Says = LevelOK, "is registered, it seems: the provider meets one that is not in another way"
	default:
		f.Says = fmt.Sprintf("cannot be told: the provider meets one that is not registered in the same way (%d)", ours.status)
		f.Mend = "sign in once with a browser, and compare it to the letter with what is registered"
	}
	return f
}
