package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// The rules of pushed authorization requests (RFC 9126):
//
//   - The whole request goes to the provider directly, and the client proves who it is (2.1). The browser then carries client_id and
//     request_uri alone (4): nothing that it could change.
//   - Each login pushes anew. The answer is used at once and kept nowhere, so that no request_uri is used twice (7.3).
//   - A success is 201 with application/json, read strictly: request_uri, and for how many seconds it is good (2.2).
//   - Whoever was told to push never sends the parameters through the browser instead.

const maxRequestURI = 2048 // bytes; longer ones do not fit into everybody's addresses

// mustPush tells whether the authorization request is to be pushed: when the provider demands it (RFC 9126 5), or the options do.
func (p *Provider) mustPush(m *metadata) (bool, error) {
	if p.options.AlwaysPush && m.pushURL == "" {
		return false, fail(KindInvalidMetadata, "authorization requests are always to be pushed (DOORWARD_PAR=always), "+
			"but there is no pushed_authorization_request_endpoint")
	}
	return p.options.AlwaysPush || m.demandsPush, nil
}

// push leaves the parameters with the provider and gives the query that the browser carries in their place.
func (p *Provider) push(ctx context.Context, m *metadata, parameters url.Values) (query string, err error) {
	got, err := p.ask(ctx, "par", m.pushURL, parameters)
	if err != nil {
		return "", &Error{Kind: KindPARFailed, cause: err}
	}
	if err := got.is(http.StatusCreated); err != nil {
		return "", p.refusal(KindPARFailed, "par", got, err)
	}
	reference, err := p.readPushed(got)
	if err != nil {
		return "", err
	}
	return url.Values{"client_id": {p.options.ClientID}, "request_uri": {reference}}.Encode(), nil
}

// readPushed reads a success.
func (p *Provider) readPushed(got *reply) (string, error) {
	o, err := got.json()
	if err == nil {
		err = o.exactly("request_uri", "expires_in", "error")
	}
	if err != nil {
		return "", fail(KindPARFailed, "%w (RFC 9126 2.2)", err)
	}
	if o.has("error") {
		return "", p.refusal(KindPARFailed, "par", got, errors.New("the answer is an error, though its status is 201"))
	}
	reference, err := o.needText("request_uri")
	if err == nil {
		err = checkRequestURI(reference)
	}
	if err == nil {
		err = checkPushLifetime(o)
	}
	if err != nil {
		return "", fail(KindPARFailed, "%w (RFC 9126 2.2)", err)
	}
	return reference, nil
}

func checkRequestURI(reference string) error {
	if len(reference) > maxRequestURI {
		return fmt.Errorf("request_uri has %d bytes, more than %d", len(reference), maxRequestURI)
	}
	if strings.ContainsFunc(reference, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("request_uri contains a character that no URI has")
	}
	if u, err := url.Parse(reference); err != nil || u.Scheme == "" {
		return errors.New("request_uri is no URI")
	}
	return nil
}

// checkPushLifetime: expires_in is required and positive. The browser is sent on at once, so any such time will do.
func checkPushLifetime(o object) error {
	if !o.has("expires_in") {
		return errors.New("expires_in is missing")
	}
	seconds, err := o.number("expires_in")
	if err == nil && seconds < 1 {
		return errors.New("expires_in is not positive")
	}
	return err
}
