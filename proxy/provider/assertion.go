package provider

import (
	"context"
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The rules of client assertions (RFC 7523 3, OIDC Core 9, FAPI 2.0 5.3.3.1):
//
//   - Issuer and subject are the client; the audience is the issuer of the provider, and that as a plain string. A provider that
//     passes for another one and names that one's endpoint as its own gets an assertion that is good with itself alone (RFC 9700 2.5).
//   - Each is made for one request, lives for a minute, and bears an identifier that no other one has.
//   - It is signed with the algorithm that the key is made for. kid is the key's own, where it has one.

const (
	assertionType     = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	assertionLifetime = time.Minute
)

// assertion is the payload of a client assertion.
type assertion struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	ID       string `json:"jti"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
}

// newAssertion proves who the client is, once.
func (p *Provider) newAssertion(ctx context.Context) (string, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return "", err
	}
	key := p.options.ClientKey()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: assertionAlgorithm(key, m), Key: key}, nil)
	if err != nil {
		return "", err
	}
	now := time.Now()
	payload, err := json.Marshal(assertion{
		Issuer: p.options.ClientID, Subject: p.options.ClientID, Audience: p.options.Issuer, ID: random(),
		IssuedAt: now.Unix(), Expires: now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}
