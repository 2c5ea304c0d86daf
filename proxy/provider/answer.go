package provider

import (
	"crypto/subtle"
	"errors"
	"net/url"
)

// Answer is the authorization response: the parameters with which the provider sends the browser to the callback (RFC 6749 4.1.2,
// RFC 9207 2). Its fields are "" when absent.
type Answer struct {
	Code, State, Issuer               string
	Error, ErrorDescription, ErrorURI string
}

const maxParameter = 8 << 10 // bytes of a parameter; real codes have a few hundred

// ParseAnswer reads the callback's parameters, from its query or form. A parameter that occurs twice is an error, as is code
// together with error, or neither; other parameters than ours are ignored (RFC 6749 3.1, 4.1.2). The Error's Kind is
// KindInvalidAnswer.
func ParseAnswer(v url.Values) (Answer, error) {
	var a Answer
	parameters := []struct {
		name string
		to   *string
	}{
		{"code", &a.Code}, {"state", &a.State}, {"iss", &a.Issuer},
		{"error", &a.Error}, {"error_description", &a.ErrorDescription}, {"error_uri", &a.ErrorURI},
	}
	for _, p := range parameters {
		values := v[p.name]
		if len(values) > 1 {
			return Answer{}, fail(KindInvalidAnswer, "%s occurs %d times", p.name, len(values))
		}
		*p.to = v.Get(p.name)
		if len(*p.to) > maxParameter {
			return Answer{}, fail(KindInvalidAnswer, "%s is longer than %d bytes", p.name, maxParameter)
		}
	}
	if err := a.check(); err != nil {
		return Answer{}, &Error{Kind: KindInvalidAnswer, cause: err}
	}
	if v.Has("iss") && a.Issuer == "" {
		return Answer{}, fail(KindIssuerMismatch, "iss is empty")
	}
	return a, nil
}

func (a Answer) check() error {
	switch {
	case a.Code != "" && a.Error != "":
		return errors.New("code and error are both there")
	case a.Code == "" && a.Error == "":
		return errors.New("neither code nor error is there")
	case a.State == "":
		return errors.New("state is missing")
	}
	return nil
}

// checkAnswer goes through the answer in the order in which it can be trusted: is it for this login, is it from this provider,
// is it an error.
func (p *Provider) checkAnswer(m *metadata, r Request, a Answer) ([]Check, error) {
	l := &checklist{of: "answer", kind: KindInvalidAnswer}
	err := l.run([]rule{
		{"RFC 6749 10.12, RFC 9700 4.7", func() (string, error) {
			if r.State == "" || subtle.ConstantTimeCompare([]byte(a.State), []byte(r.State)) != 1 {
				return "", errors.New("state is not the one that this login sent")
			}
			return "state is the one that this login sent: this browser asked for the answer", nil
		}},
		{"RFC 9207 2.4", func() (string, error) { return p.checkAnswerIssuer(m, a) }},
		{"RFC 6749 4.1.2.1", func() (string, error) { return "", p.providerError(r, a) }},
		{"RFC 6749 4.1.2", func() (string, error) {
			if err := a.check(); err != nil {
				return "", err
			}
			return "code is there, for one use; alone it is worth nothing, for it takes the client secret and the PKCE verifier to use it", nil
		}},
	})
	return l.made, err
}

// checkAnswerIssuer keeps one provider's answer from being taken for another's (mix-up). It holds for errors too.
func (p *Provider) checkAnswerIssuer(m *metadata, a Answer) (string, error) {
	switch {
	case a.Issuer == p.options.Issuer:
		return "iss is exactly the configured issuer: the answer is not another provider's", nil
	case a.Issuer != "":
		return "", fail(KindIssuerMismatch, "iss is %s, not the configured issuer %s (RFC 9207 2.4)", quoted(a.Issuer), quoted(p.options.Issuer))
	case m.announcesIss:
		return "", fail(KindIssuerMismatch, "iss is missing, though the provider's metadata announce it (RFC 9207 2.4)")
	}
	return "", nil
}

// providerError is the error that the answer reports, but for what it quotes of the request's secrets; nil when it reports none.
func (p *Provider) providerError(r Request, a Answer) error {
	if a.Error == "" {
		return nil
	}
	kind := KindProviderError
	if a.Error == "unmet_authentication_requirements" {
		kind = KindUnmetAuthentication
	}
	sent := url.Values{"state": {r.State}, "nonce": {r.Nonce}}
	return &Error{
		Kind:        kind,
		Code:        printable(p.withoutSecrets(a.Error, sent), maxSaid),
		Description: printable(p.withoutSecrets(a.ErrorDescription, sent), maxSaid),
		cause:       errors.New("the provider reports an error"),
	}
}
