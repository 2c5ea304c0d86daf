package provider

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// The rules of a refresh (RFC 6749 6, RFC 9700 4.14, OIDC Core 12):
//
//   - One POST, never a second: many providers take a refresh token that comes twice for a stolen one.
//   - The answer is read as strictly as that to a code. A new refresh token takes the place of the old one, which is otherwise kept.
//   - An ID token need not come. One that does is checked like that of a login, and is about the same person (12.2): iss, sub, and
//     the time of the login are those of the ID token before it. It need not repeat the nonce, and may not bring another.
//   - The access token is checked for its audience, and belongs to the person of the login.
//   - Claims are taken from what is new: ID token, access token, userinfo. Only what none of them names is looked for in the previous
//     ID token. So without a new ID token the claims of the old one stay, as far as the new access token, when it is checked, and
//     userinfo do not name them. One that the previous access token named as well, and nothing new does, is gone for good: many
//     providers name no groups where there are none.
//   - What makes a session end is told from what will pass. When in doubt, it has ended.

// Known is what a session knows of the person for whom it was made.
type Known struct {
	Subject       string    // sub
	SessionID     string    // sid; "" when the provider never said
	AuthTime      time.Time // auth_time; zero when the provider never said
	IDToken       string    // the latest one, which was checked when it came
	AccessToken   string    // the latest one; checked when it came if there is an audience
	RefreshToken  string
	VerifiedEmail string   // the claim email, if email_verified was true; it stays so while nothing else is said of the same address
	Without       []string // claims that the session knows the person not to have: where the ID token names one, it went at an earlier refresh
}

// Outcome says what became of a refresh. Its String is a fixed word that suits a metric label.
type Outcome int

// The outcomes of a refresh.
const (
	// Refreshed: there are new tokens.
	Refreshed Outcome = iota
	// Ended: the provider takes the refresh token no more (invalid_grant).
	Ended
	// Refused: the provider refuses something else (invalid_client, unauthorized_client…), which is for the operator to mend.
	Refused
	// Unavailable: there is no answer, or one that says that there will be (5xx, 429).
	Unavailable
	// Invalid: the answer fails a check, and nothing of it is used.
	Invalid
)

// Outcomes lists every outcome, so that their metrics can exist from the start.
func Outcomes() []Outcome { return []Outcome{Refreshed, Ended, Refused, Unavailable, Invalid} }

// String is the outcome's fixed word.
func (o Outcome) String() string {
	switch o {
	case Refreshed:
		return "ok"
	case Ended:
		return "invalid_grant"
	case Refused:
		return "refused"
	case Unavailable:
		return "unavailable"
	}
	return "invalid"
}

// OutcomeOf tells what the error of Refresh means for the session.
func OutcomeOf(err error) Outcome {
	known, ok := errors.AsType[*Error](err)
	switch {
	case err == nil:
		return Refreshed
	case !ok || isOutage(err) || errors.Is(err, errOldKeys) || known.Kind == KindUnavailable || known.Kind == KindInvalidMetadata:
		return Unavailable
	case known.Kind == KindTokenRequestFailed && known.Code == "invalid_grant":
		return Ended
	case known.Kind == KindTokenRequestFailed:
		return Refused
	}
	return Invalid
}

// Refresh asks for new tokens and checks them. The person is as Complete gives them, except that SessionID, ACR and AuthTime are zero
// when the provider says nothing new. The error is an *Error, of which OutcomeOf says what it means.
//
// When the provider has spent the refresh token and only then cannot be reached, the person holds the new refresh token and nothing
// else: it is the one to try next.
func (p *Provider) Refresh(ctx context.Context, known Known) (*Person, error) {
	m, err := p.metadata.get(ctx)
	if err != nil {
		return nil, asError(err)
	}
	before, err := known.idToken()
	if err != nil {
		return nil, err
	}
	got, exchanged, err := p.refreshTokens(ctx, m, known.RefreshToken)
	if err != nil {
		return nil, err
	}
	person, err := p.describeAgain(ctx, m, got, known, before, exchanged)
	if err != nil && OutcomeOf(err) == Unavailable {
		return &Person{RefreshToken: got.refresh}, err
	}
	return person, err
}

// describeAgain makes the person of tokens that took the place of others.
func (p *Provider) describeAgain(ctx context.Context, m *metadata, got *tokens, known Known, before *token, checks []Check) (*Person, error) {
	id := before
	if got.id != "" {
		fresh, identified, err := p.checkIDToken(ctx, m, got.id, got.access, func(t *token) []rule { return p.refreshRules(t, known, before) })
		if err != nil {
			return nil, err
		}
		id, checks = fresh, append(checks, identified...)
	}
	person, err := p.describe(ctx, m, got, id, checks)
	if err != nil {
		return nil, err
	}
	person.verified = known.VerifiedEmail
	if !time.Now().Before(person.TokenExpiry) {
		return nil, fail(KindInvalidAccessToken, "it has expired before it arrived; if the clocks differ, mend them")
	}
	if got.id == "" {
		person.gone = p.gone(person, known)
		person.learn(before.claims)
	}
	return person, nil
}

// gone are the claims that are needed, that the previous access token named or that were gone already, and that nothing new names.
func (p *Provider) gone(person *Person, known Known) []string {
	before, err := payloadOf(known.AccessToken)
	if len(p.options.Audience) == 0 || err != nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(p.options.NeededClaims()), func(path string) bool {
		_, now := person.Claim(path)
		_, then := before.lookup(path)
		return now || !then && !slices.Contains(known.Without, path)
	})
}

// refreshTokens exchanges a refresh token for new tokens. x/oauth2 keeps it where no other comes back.
func (p *Provider) refreshTokens(ctx context.Context, m *metadata, refreshToken string) (*tokens, []Check, error) {
	transport := &tokenTransport{provider: p, address: m.TokenURL, refresh: true}
	return transport.tokens(ctx, func(ctx context.Context) (*oauth2.Token, error) {
		return p.oauth(m, "").TokenSource(ctx, &oauth2.Token{RefreshToken: refreshToken}).Token()
	})
}

// idToken reads the ID token that was checked when it came.
func (k Known) idToken() (*token, error) {
	claims, err := payloadOf(k.IDToken)
	if err != nil {
		return nil, fail(KindInvalidIDToken, "the session's ID token: %w", err)
	}
	t := &token{raw: k.IDToken, claims: claims}
	if t.claims["sub"] != k.Subject {
		return nil, fail(KindInvalidIDToken, "the session's ID token is about somebody else")
	}
	return t, nil
}

// payloadOf reads a token that was checked when it came.
func payloadOf(raw string) (object, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil, errors.New("it is no JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, errors.New("it is not base64url")
	}
	return parseObject(payload)
}

// refreshRules are what OIDC Core 12.2 asks of an ID token beside the rules for all of them: that iss is ours, aud names us, and
// iat is now, holds anyway.
func (p *Provider) refreshRules(t *token, known Known, before *token) []rule {
	const source = "OIDC Core 12.2"
	return []rule{
		{source, func() (string, error) { return t.checkSameSubject(known.Subject) }},
		{source, func() (string, error) { return t.checkSameNonce(before) }},
		{source, func() (string, error) { return t.checkSameOrNone("azp", before) }},
		{source, func() (string, error) { return t.checkSameAuthTime(known.AuthTime) }},
		{"OIDC Back-Channel Logout 2.1", func() (string, error) { return t.checkSameSession(known.SessionID) }},
		{"OIDC Core 3.1.3.7 (12)", func() (string, error) {
			if t.claims["acr"] == before.claims["acr"] || !t.claims.has("acr") {
				return "", nil // the login was asked for it, perhaps by a rule
			}
			return t.checkContext(p.acrValues)
		}},
	}
}

func (t *token) checkSameSubject(subject string) (string, error) {
	if t.claims["sub"] != subject {
		return "", errors.New("sub is not that of the session's ID token: it is about somebody else")
	}
	return "sub is that of the session's ID token: it is about the same person", nil
}

// checkSameNonce: where the ID token before left it out, nobody knows any more what the login's said.
func (t *token) checkSameNonce(before *token) (string, error) {
	if !before.claims.has("nonce") {
		return "", nil
	}
	return t.checkSameOrNone("nonce", before)
}

// checkSameOrNone: a claim that need not be repeated, and where it is, says the same.
func (t *token) checkSameOrNone(name string, before *token) (string, error) {
	if !t.claims.has(name) {
		return "", nil
	}
	value, err := t.claims.needText(name)
	if err != nil {
		return "", err
	}
	if before.claims[name] != value {
		return "", errors.New(name + " is not that of the session's ID token")
	}
	return name + " is that of the session's ID token", nil
}

// checkSameSession: by the sid that came first its sign-out will be reported, however many ID tokens without one came in between.
func (t *token) checkSameSession(sid string) (string, error) {
	if sid == "" || !t.claims.has("sid") {
		return "", nil
	}
	if t.claims["sid"] != sid {
		return "", errors.New("sid is not that of the session: it is another session of the provider's")
	}
	return "sid is that of the session", nil
}

// checkSameAuthTime: auth_time is when the person logged in, not when the token was issued.
func (t *token) checkSameAuthTime(authTime time.Time) (string, error) {
	authenticated, err := t.claims.date("auth_time")
	if err != nil || authTime.IsZero() || !t.claims.has("auth_time") {
		return "", err
	}
	if !authenticated.Equal(authTime) {
		return "", errors.New("auth_time is not that of the login")
	}
	return "auth_time is that of the login", nil
}
