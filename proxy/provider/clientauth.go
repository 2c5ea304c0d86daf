package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// ask sends a form to an endpoint at which the client must prove who it is (token, introspection, revocation, pushed
// authorization requests), once, and reads the answer. The client authenticates with HTTP Basic, both parts
// form-urlencoded (RFC 6749 2.3.1); the form says nothing about it.
func (p *Provider) ask(ctx context.Context, endpoint, address string, form url.Values) (*reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.addresses.reach(address), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("the endpoint's address is malformed")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(url.QueryEscape(p.options.ClientID), url.QueryEscape(p.options.ClientSecret))
	return p.client.send(req, endpoint, askTimeout)
}
