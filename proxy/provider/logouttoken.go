package provider

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The rules of the logout token are those of OpenID Connect Back-Channel Logout 1.0, 2.4 and 2.6, each below with its number. It
// comes from anybody who can reach us and ends sessions, so nothing of it is done before all of it is checked.
//
//   - It is signed as ID tokens are: by the same keys and the same algorithm (algorithms.go).
//   - It cannot be taken for an ID token, which has no events, nor an ID token for it, which has no nonce (4.1).
//   - typ may say logout+jwt. Many providers say JWT or nothing, so its absence is no fault; another kind of token is (4.1).
//   - Other claims than those named here are ignored, whatever they hold (2.4).
//   - Whether it came before is for the caller to remember, by its ID, until Expiry (2.6 (8)): only the caller knows whether what it
//     asks for was done.

const (
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

	// maxLogoutTokenAge is how long a logout token is good at most, whatever its exp says: for so long its jti is
	// remembered. Providers that try again have given up by then.
	maxLogoutTokenAge = time.Hour
	maxTokenID        = 1 << 10 // bytes of a jti or a sid
)

// LogoutToken is what a verified logout token says. One of Subject and SessionID, or both, are there.
type LogoutToken struct {
	Issuer    string
	Subject   string // whose sessions end, when SessionID is empty
	SessionID string // which of the provider's sessions ends (sid)
	ID        string // its jti
	Expiry    time.Time
}

// VerifyLogoutToken checks a logout token. Its error is an *Error: KindInvalidLogoutToken says that the token is at fault, every
// other kind that it could not be checked now.
func (p *Provider) VerifyLogoutToken(ctx context.Context, raw string) (*LogoutToken, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return nil, asError(err)
	}
	l := &checklist{of: "logout token", kind: KindInvalidLogoutToken}
	t := &token{}
	err = l.run([]rule{
		{"OIDC Back-Channel Logout 2.6 (1, 3), 4.1", func() (found string, err error) {
			t, err = parseToken(raw, p.signedBy.among(m.Algorithms), []string{"", "jwt", "logout+jwt"})
			return "", err
		}},
		{"OIDC Back-Channel Logout 2.6 (2)", func() (string, error) {
			payload, err := p.keys.verify(ctx, t)
			if err != nil {
				return "", err
			}
			return "", t.readClaims(payload, []string{"iss", "sub", "aud", "azp", "exp", "nbf", "iat", "nonce", "jti", "sid", "events"})
		}},
		{"OIDC Back-Channel Logout 2.6 (4)", func() (string, error) { return t.checkIssuer(p.options.Issuer) }},
		{"OIDC Back-Channel Logout 2.6 (4)", func() (string, error) { return t.checkAudience(p.options.ClientID, p.options.Audience) }},
		{"OIDC Back-Channel Logout 2.6 (4)", func() (string, error) { return t.checkAuthorizedParty(p.options.ClientID) }},
		{"OIDC Back-Channel Logout 2.6 (4)", func() (string, error) { return t.checkExpiry() }},
		{"OIDC Back-Channel Logout 2.6 (4)", func() (string, error) { return "", t.checkSentLately() }},
		{"RFC 7519 4.1.5", func() (string, error) { return t.checkNotBefore() }},
		{"OIDC Back-Channel Logout 2.6 (5)", func() (string, error) { return "", t.checkWhoLeaves() }},
		{"OIDC Back-Channel Logout 2.6 (6)", func() (string, error) { return "", t.checkLogoutEvent() }},
		{"OIDC Back-Channel Logout 2.6 (7)", func() (string, error) {
			if t.claims.has("nonce") {
				return "", errors.New("nonce is there: this is an ID token, not a logout token")
			}
			return "", nil
		}},
		{"OIDC Back-Channel Logout 2.4", func() (string, error) { return "", t.checkTokenID() }},
	})
	if errors.Is(err, errOldKeys) {
		return nil, fail(KindUnavailable, "%w", err)
	}
	if err != nil {
		return nil, err
	}
	return newLogoutToken(t), nil
}

// newLogoutToken gathers what a checked token says; the checks have made sure of the types.
func newLogoutToken(t *token) *LogoutToken {
	leaving := &LogoutToken{}
	leaving.Issuer, _ = t.claims.text("iss")
	leaving.Subject, _ = t.claims.text("sub")
	leaving.SessionID, _ = t.claims.text("sid")
	leaving.ID, _ = t.claims.text("jti")
	issued, _ := t.claims.date("iat")
	expiry, _ := t.claims.date("exp")
	if latest := issued.Add(maxLogoutTokenAge); expiry.After(latest) {
		expiry = latest
	}
	leaving.Expiry = expiry.Add(leeway)
	return leaving
}

// checkSentLately: iat is there, not in the future, and not long ago.
func (t *token) checkSentLately() error {
	issued, err := t.needDate("iat")
	if err != nil {
		return err
	}
	if age := time.Since(issued); age >= maxLogoutTokenAge+leeway {
		return fmt.Errorf("iat is %s ago, but a logout token is sent at once", age.Round(time.Second))
	}
	_, err = t.checkIssuedBefore()
	return err
}

// checkWhoLeaves: sub or sid or both.
func (t *token) checkWhoLeaves() error {
	if !t.claims.has("sub") && !t.claims.has("sid") {
		return errors.New("neither sub nor sid is there: nobody is named")
	}
	if t.claims.has("sub") {
		if _, err := t.checkSubject(); err != nil {
			return err
		}
	}
	if !t.claims.has("sid") {
		return nil
	}
	if _, err := t.claims.needText("sid"); err != nil {
		return err
	}
	return t.checkSessionID()
}

// checkSessionID: a sid is text of any kind, but not without end.
func (t *token) checkSessionID() error {
	sid, err := t.claims.text("sid")
	if err == nil && len(sid) > maxTokenID {
		return fmt.Errorf("sid is longer than %d bytes", maxTokenID)
	}
	return err
}

// checkLogoutEvent: events is an object, and its member for this event too.
func (t *token) checkLogoutEvent() error {
	if !t.claims.has("events") {
		return errors.New("events is missing: this is no logout token")
	}
	events, ok := t.claims["events"].(map[string]any)
	if !ok {
		return fmt.Errorf("events is %s, not an object", kindOf(t.claims["events"]))
	}
	event, found := events[logoutEvent]
	if !found {
		return fmt.Errorf("events does not contain %s", logoutEvent)
	}
	if _, ok := event.(map[string]any); !ok {
		return fmt.Errorf("the logout event is %s, not an object", kindOf(event))
	}
	return nil
}

func (t *token) checkTokenID() error {
	id, err := t.claims.needText("jti")
	if err == nil && len(id) > maxTokenID {
		return fmt.Errorf("jti is longer than %d bytes", maxTokenID)
	}
	return err
}
