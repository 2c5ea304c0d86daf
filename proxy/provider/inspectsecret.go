package provider

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"
)

// tryClient makes a token request with a code that never was. The provider has to know the client before it looks at the code (RFC
// 6749 3.2.1, 4.1.3): invalid_grant says that it does, invalid_client that it does not (5.2).
func (p *Provider) tryClient(ctx context.Context, m *metadata, redirectURI string) Finding {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	f := Finding{ID: "provider.client", Level: LevelFail, Subject: "client", Mend: p.mendClient()}
	got, err := p.ask(ctx, "token", m.TokenURL, url.Values{
		"grant_type": {"authorization_code"}, "code": {random()}, "redirect_uri": {redirectURI}, "code_verifier": {oauth2.GenerateVerifier()},
	})
	if err != nil {
		f.Says, f.Mend = err.Error(), "see that "+p.addresses.reach(m.TokenURL)+" can be reached from here"
		return f
	}
	refused := p.refusal(KindTokenRequestFailed, "token", got, got.ok())
	said := p.saidIn(refused.Code, refused.Description)
	switch {
	case refused.Code == "invalid_grant":
		f.Level, f.Says, f.Mend = LevelOK, p.credential()+" accepted: the token endpoint complains of a made-up code alone", ""
	case refused.Code == "" && takesCode(got):
		f.Says, f.Mend = "the token endpoint takes a code that never was", "look at the provider: nobody who comes from there can be believed"
	case got.status == http.StatusUnauthorized || slices.Contains([]string{"invalid_client", "unauthorized_client"}, refused.Code):
		f.Says = p.credential() + " refused: the token endpoint answers " + said
	case isOutage(got.ok()):
		f.Says, f.Mend = fmt.Sprintf("the token endpoint answers with status %d", got.status), "look at the provider: no login gets through"
	default:
		f.Level, f.Says = LevelNote, "cannot be told: the token endpoint answers a made-up code with "+said
		f.Mend = "sign in once with a browser"
	}
	return f
}

// takesCode tells whether an answer is a token response.
func takesCode(got *reply) bool {
	o, err := got.json()
	return err == nil && got.ok() == nil && o.has("access_token")
}

// accepted tells whether tryClient found that the client is known, and proves it as the provider wants.
func accepted(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.ID == "provider.client" && f.Level == LevelOK })
}

func (p *Provider) credential() string {
	switch p.options.ClientAuth {
	case privateKeyJWT:
		return "id and key are"
	case publicClient:
		return "the id is"
	}
	return "id and secret are"
}

func (p *Provider) mendClient() string {
	switch p.options.ClientAuth {
	case privateKeyJWT:
		return "compare DOORWARD_CLIENT_ID and DOORWARD_CLIENT_AUTH with the client at the provider, register there the key that `doorward check` prints, and see that the clocks agree"
	case publicClient:
		return "compare DOORWARD_CLIENT_ID with the client at the provider, and see that it is a public one there"
	}
	return "compare DOORWARD_CLIENT_ID, DOORWARD_CLIENT_SECRET and DOORWARD_CLIENT_AUTH with the client at the provider"
}

// saidIn is an error of the provider's in its own words, but for what might be a secret of ours in them.
func (p *Provider) saidIn(code, description string) string {
	if code == "" {
		return "no error that it names"
	}
	said := printable(code, maxSaid)
	if description != "" {
		said += " (" + printable(description, maxSaid) + ")"
	}
	return p.discreet(said, nil)
}

// secrets are the parameters of our forms that nobody else is to see.
func secrets() []string {
	return []string{"code", "code_verifier", "refresh_token", "token", "client_secret", "client_assertion", "state", "nonce"}
}

// leastSecret is how many characters a secret has at least, so that no common word is taken for one.
const leastSecret = 8

// discreet leaves out secrets, and words that are as long as tokens are.
func (p *Provider) discreet(text string, form url.Values) string {
	words := strings.Fields(p.withoutSecrets(text, form))
	for i, word := range words {
		if len(word) > 100 {
			words[i] = "…"
		}
	}
	return strings.Join(words, " ")
}

// withoutSecrets leaves out our secret, in any of its spellings, and those of a form that was sent.
func (p *Provider) withoutSecrets(text string, form url.Values) string {
	var hidden []string
	for _, name := range secrets() {
		if value := form.Get(name); len(value) >= leastSecret {
			hidden = append(hidden, url.QueryEscape(value), value)
		}
	}
	if p.options.ClientSecret != nil {
		secret := p.options.ClientSecret()
		basic := url.QueryEscape(p.options.ClientID) + ":" + url.QueryEscape(secret)
		hidden = append(hidden, base64.StdEncoding.EncodeToString([]byte(basic)), url.QueryEscape(secret), secret)
	}
	for _, spelling := range hidden {
		if spelling != "" {
			text = strings.ReplaceAll(text, spelling, "…")
		}
	}
	return text
}
