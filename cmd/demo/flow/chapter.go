package flow

import "net/http"

// chapter is one of the six steps of a login, as the manual and doorward's own code count them.
type chapter struct {
	Number int
	Title  string
	Files  []string // where doorward's code for it is, from the top of the repository
	Parts  []part
}

// chapters tell the login in the order in which it happened.
func (rec *Recorder) chapters(a *attempt, r *http.Request) []chapter {
	list := []chapter{
		{
			Title: "The authorization request",
			Files: []string{"proxy/login.go", "proxy/provider/provider.go"},
			Parts: []part{rec.agreement(a), a.firstRequest(), a.authorizationRequest()},
		},
		{
			Title: "The provider signs you in",
			Files: []string{"cmd/demo/provider/login.go"},
			Parts: []part{a.signIn()},
		},
		{
			Title: "The callback",
			Files: []string{"proxy/login.go", "session/login.go", "proxy/provider/answer.go"},
			Parts: []part{a.callback()},
		},
		{
			Title: "The token request",
			Files: []string{"proxy/provider/tokenrequest.go"},
			Parts: []part{a.tokenRequest(), a.tokenAnswer()},
		},
		{
			Title: "The checks",
			Files: []string{"proxy/provider/idtoken.go", "proxy/provider/accesstoken.go", "proxy/provider/keys.go"},
			Parts: []part{a.idToken(), a.accessToken(), a.checks()},
		},
		{
			Title: "The session",
			Files: []string{"proxy/login.go", "proxy/claims.go", "session/session.go", "session/seal.go", "proxy/headers.go"},
			Parts: []part{a.session(), forwarded(r)},
		},
	}
	for i := range list {
		list[i].Number = i + 1
	}
	return list
}
