package flow

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// agreement is what both sides knew before anybody came.
func (rec *Recorder) agreement(a *attempt) part {
	return part{
		Title: "What was agreed before",
		Text: []string{
			"Long before you came, somebody registered doorward at the provider as a client. Both wrote down the same few things.",
			"Everything else doorward reads from the provider's discovery document (OIDC Discovery 4): where to send people, where to exchange codes, and which keys sign the tokens.",
		},
		Tables: []table{{Head: [3]string{"Agreed", "Value", "What it is for"}, Rows: []row{
			{Name: "issuer", Value: rec.options.Issuer, Means: "the provider's name, compared exactly; the discovery document is below it"},
			{Name: "client_id", Value: a.asked.Query().Get("client_id"), Means: "doorward's name at the provider"},
			{Name: "client_secret", Value: "••••", Means: "proves that it is doorward who exchanges a code; it never passes through a browser"},
			{Name: "redirect_uri", Value: rec.options.Callback, Means: "the only address to which the provider sends codes for this client"},
		}}},
	}
}

func (a *attempt) firstRequest() part {
	p := part{
		Title: "A request without a session",
		From:  "browser", To: "doorward", At: "0 ms",
		Text: []string{
			fmt.Sprintf("You asked for %s and brought no session. doorward made up three random values for this login and answered with a redirect to the provider.", a.wanted),
		},
		Message: "GET " + a.wanted + "\n→ Location: " + a.endpoint() + "?…",
		Note:    "The three values, state, nonce and verifier, are kept nowhere but in your browser: in a cookie of this one login, sealed so that only doorward can open it. That is why several tabs can sign in at once, and why doorward needs no memory for logins.",
	}
	if n := len(a.loginCookies); n > 0 {
		p.Tables = []table{cookieTable("Set by the redirect", a.loginCookies[n-1:])}
	}
	return p
}

func (a *attempt) authorizationRequest() part {
	return part{
		Title: "The request, carried by your browser",
		From:  "browser", To: "provider",
		Text: []string{
			"Your browser followed the redirect and carried doorward's request to the provider (OIDC Core 3.1.2.1). Everything in it can be seen and changed by whoever holds the browser, so there is no secret in it.",
		},
		Message: get(a.endpoint()),
		Tables:  []table{parameters(a.asked.Query(), explainRequest)},
	}
}

func (a *attempt) signIn() part {
	p := part{Title: "Signing in", From: "provider", To: "provider"}
	if a.clicked {
		p.Text = []string{"The provider showed you its page, and you said who you are. A real provider asks for a password, a passkey or a second factor here. Whatever it asks for, doorward and the application never see it: that is the point of the whole arrangement."}
	} else {
		p.Text = []string{"You saw no page, because the provider knew you already by a session of its own. That is single sign-on: one sign-in for many applications."}
	}
	p.Text = append(p.Text, "Then it sent your browser back to doorward, with a code.")
	return p
}

func (a *attempt) callback() part {
	t := parameters(a.back, explainCallback)
	for i := range t.Rows {
		if t.Rows[i].Name == "state" {
			t.Rows[i].Proof = proof(t.Rows[i].Value, a.asked.Query().Get("state"), "the state of the authorization request")
		}
	}
	return part{
		Title: "Callback",
		From:  "browser", To: "doorward", At: a.after(a.backAt),
		Text: []string{
			"Your browser came back to doorward's registered address (OIDC Core 3.1.2.5). It brought no token, only a code: whatever passes through a browser ends in histories and logs, and a code is worthless without the client's secret and the verifier.",
		},
		Message: get(a.asked.Query().Get("redirect_uri")),
		Tables:  []table{t},
		Note:    "doorward opened the login cookie that belongs to this state, and deleted it: a callback works once. A callback for a login that another browser began has no such cookie and gets nowhere.",
	}
}

func (a *attempt) tokenRequest() part {
	t := parameters(a.exchange.form, explainExchange)
	for i := range t.Rows {
		switch r := &t.Rows[i]; r.Name {
		case "code":
			r.Proof = proof(r.Value, shorten(a.back.Get("code")), "the code of the callback")
		case "code_verifier":
			r.Proof = proof(challenge(r.Value), a.asked.Query().Get("code_challenge"), "its SHA-256 is the code_challenge of the authorization request")
		case "redirect_uri":
			r.Proof = proof(r.Value, a.asked.Query().Get("redirect_uri"), "that of the authorization request")
		}
	}
	return part{
		Title: "The code is handed in",
		From:  "doorward", To: "provider", At: a.after(a.exchange.began),
		Text: []string{
			"Now doorward speaks to the provider directly; your browser is not part of it (OIDC Core 3.1.3.1).",
		},
		Message: "POST /oauth/token\nAuthorization: Basic base64(" + a.exchange.client + " : ••••)\nContent-Type: application/x-www-form-urlencoded",
		Tables:  []table{t},
		Note:    "Three things had to fit together: the code from your browser, the secret that only doorward has, and the verifier of which only the hash was seen so far (PKCE, RFC 7636).",
	}
}

func (a *attempt) tokenAnswer() part {
	p := part{
		Title: "Two tokens come back",
		From:  "provider", To: "doorward", At: a.after(a.exchange.ended),
		Text:    []string{"The provider answered with two tokens (OIDC Core 3.1.3.3). They look alike and are for different readers."},
		Message: fmt.Sprintf("%d %s\nContent-Type: application/json", a.exchange.status, http.StatusText(a.exchange.status)),
	}
	var answer map[string]any
	if json.Unmarshal(a.exchange.answer, &answer) != nil {
		return p
	}
	list := rows(answer, explainAnswer)
	for i := range list {
		list[i].Value = shorten(list[i].Value)
	}
	p.Tables = []table{{Head: heads("Field"), Rows: list}}
	return p
}

func (a *attempt) idToken() part {
	token := decode(a.person.IDToken)
	claims := rows(token.payload, explainIDToken)
	for i := range claims {
		switch r := &claims[i]; r.Name {
		case "nonce":
			r.Proof = proof(r.Value, a.asked.Query().Get("nonce"), "the nonce of the authorization request")
		case "at_hash":
			r.Proof = proof(r.Value, tokenHash(a.person.AccessToken), "the hash of the access token below")
		}
	}
	return part{
		Title: "The ID token",
		From:  "doorward", To: "doorward",
		Text: []string{
			"A letter to doorward, telling who you are. It is read once, at login, and goes to nobody else. A JWT is three pieces of base64url with dots between: header, payload, signature.",
		},
		Folds: []fold{foldToken("ID token", a.person.IDToken, token, claims)},
	}
}

func (a *attempt) accessToken() part {
	token := decode(a.person.AccessToken)
	return part{
		Title: "The access token",
		From:  "doorward", To: "doorward",
		Text: []string{
			"A ticket for the application behind doorward. For doorward it is somebody else's letter, but it looks at it all the same, because the setting AUDIENCE says what must be in it.",
		},
		Folds: []fold{foldToken("access token", a.person.AccessToken, token, rows(token.payload, explainAccessToken))},
	}
}

func (a *attempt) checks() part {
	return part{
		Title: "Every check that was made",
		From:  "doorward", To: "doorward",
		Text: []string{
			fmt.Sprintf("doorward believed nothing of this before it had checked it: %d checks, in the order below. Had one of them failed, there would be no session, and you would have seen a page that says so.", len(a.person.Checks)),
		},
		Folds: foldChecks(a.person.Checks),
	}
}

func (a *attempt) session() part {
	kept := slices.DeleteFunc(slices.Clone(a.cookies), func(c *http.Cookie) bool { return c.MaxAge < 0 })
	return part{
		Title: "A sealed cookie",
		From:  "doorward", To: "browser", At: a.after(a.doneAt),
		Text: []string{
			"What doorward needs to remember of you went into a cookie, sealed: encrypted and signed with a key that only doorward has. Your browser carries it and can neither read nor change it. No database is needed.",
			fmt.Sprintf("Then you were sent to the page that you had asked for: %s.", a.returned),
		},
		Tables: []table{cookieTable("Set by the answer to the callback", kept)},
	}
}

// forwarded shows the page's own request as doorward passed it on: it came the way that every request does now.
func forwarded(r *http.Request) part {
	var list []row
	for _, name := range inOrder(maps.Keys(r.Header)) {
		if means := explainForwarded(name); means != "" {
			list = append(list, row{Name: name, Value: shorten(strings.Join(r.Header[name], ", ")), Means: means})
		}
	}
	return part{
		Title: "What the application receives",
		From:  "doorward", To: "application",
		Text: []string{
			"From now on every request of yours is checked against the access rules and passed on with who you are. These headers came with the request for this very page. Your session's cookie did not: it stays with doorward.",
		},
		Tables: []table{{Head: heads("Header"), Rows: list}},
		Note:   "A request that brings such headers along by itself loses them at doorward's door.",
	}
}

// get is a request as it travels; its parameters stand in a table.
func get(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "GET " + address
	}
	return "GET " + u.Path + "?…\nHost: " + u.Host
}

func parameters(values url.Values, explain func(string) string) table {
	t := table{Head: heads("Parameter")}
	for _, name := range inOrder(maps.Keys(values)) {
		t.Rows = append(t.Rows, row{Name: name, Value: shorten(strings.Join(values[name], ", ")), Means: explain(name)})
	}
	return t
}

func cookieTable(caption string, cookies []*http.Cookie) table {
	t := table{Caption: caption, Head: [3]string{"Cookie", "Value", "Attributes"}}
	for _, c := range cookies {
		size := fmt.Sprintf("%d bytes, sealed", len(c.Name)+1+len(c.Value))
		t.Rows = append(t.Rows, row{Name: c.Name, Value: size, Means: attributes(c)})
	}
	return t
}

func heads(first string) [3]string { return [3]string{first, "Value", "What it is for"} }

func capital(word string) string {
	if word == "" {
		return ""
	}
	return strings.ToUpper(word[:1]) + word[1:]
}
