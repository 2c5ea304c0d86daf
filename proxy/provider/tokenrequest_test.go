package provider

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func handlers(path string, h http.HandlerFunc) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{path: h}
}

// bomb answers with a few bytes that unpack to many.
func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	z.Write([]byte(`{"access_token":"`))
	for range 100 {
		z.Write([]byte(strings.Repeat("A", 1<<20)))
	}
	z.Close()
}

func TestTokenResponsesThatAreRefused(t *testing.T) {
	tests := map[string]func(map[string]any){
		"token_type missing":       without("token_type"),
		"token_type empty":         set("token_type", ""),
		"token_type DPoP":          set("token_type", "DPoP"),
		"token_type mac":           set("token_type", "mac"),
		"token_type null":          set("token_type", nil),
		"access_token missing":     without("access_token"),
		"access_token empty":       set("access_token", ""),
		"access_token a number":    set("access_token", 1),
		"access_token, line break": set("access_token", "a\r\nX-Admin: 1"),
		"access_token not ASCII":   set("access_token", "ä"),
		"access_token huge":        set("access_token", strings.Repeat("a", 65<<10)),
		"id_token missing":         without("id_token"),
		"id_token null":            set("id_token", nil),
		"id_token an object":       set("id_token", map[string]any{"sub": "alice"}),
		"expires_in text":          set("expires_in", "3600"),
		"expires_in negative":      set("expires_in", -5),
		"expires_in zero":          set("expires_in", 0),
		"expires_in null":          set("expires_in", nil),
		"expires_in huge":          set("expires_in", 1e300),
		"error beside tokens":      set("error", "invalid_grant"),
		"ACCESS_TOKEN":             set("ACCESS_TOKEN", "evil"),
		"Id_Token":                 set("Id_Token", "evil"),
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "RS256")
			o.tokenResponse = change
			_, err := o.login(t, o.client(t, nil))
			want := KindInvalidTokenResponse
			if name == "error beside tokens" {
				want = KindCodeRefused
			}
			o.wantKind(t, err, want)
			if n := o.count("POST /token"); n != 1 {
				t.Errorf("the code was sent %d times", n)
			}
		})
	}
}

func TestTokenEndpointThatMisbehaves(t *testing.T) {
	const good = `{"access_token":"a","token_type":"Bearer","id_token":"a.b.c"}`
	const secret = `{"access_token":"eyJ-leaked"`
	tests := map[string]struct {
		answer http.HandlerFunc
		kind   Kind
	}{
		"page":              {says(200, "text/html", "<h1>welcome</h1>"), KindInvalidTokenResponse},
		"text/plain":        {says(200, "text/plain", good), KindInvalidTokenResponse},
		"no content type":   {says(200, "", good), KindInvalidTokenResponse},
		"form":              {says(200, "application/x-www-form-urlencoded", "access_token=a&token_type=Bearer&id_token=a.b.c"), KindInvalidTokenResponse},
		"array":             {says(200, "application/json", "["+good+"]"), KindInvalidTokenResponse},
		"member twice":      {says(200, "application/json", `{"access_token":"b",`+good[1:]), KindInvalidTokenResponse},
		"trailing data":     {says(200, "application/json", good+good), KindInvalidTokenResponse},
		"byte order mark":   {says(200, "application/json", "\xef\xbb\xbf"+good), KindInvalidTokenResponse},
		"invalid UTF-8":     {says(200, "application/json", `{"x":"`+"\xff"+`",`+good[1:]), KindInvalidTokenResponse},
		"cut":               {says(200, "application/json", secret), KindInvalidTokenResponse},
		"empty":             {says(200, "application/json", ""), KindInvalidTokenResponse},
		"204":               {says(204, "application/json", ""), KindTokenRequestFailed},
		"201":               {says(201, "application/json", good), KindTokenRequestFailed},
		"2 MB":              {says(200, "application/json", `{"x":"`+strings.Repeat("x", 2<<20)+`",`+good[1:]), KindTokenRequestFailed},
		"gzip bomb":         {bomb, KindTokenRequestFailed},
		"500":               {says(500, "text/html", secret), KindTokenRequestFailed},
		"401, no OAuth":     {says(401, "application/json", `{"error":7}`), KindTokenRequestFailed},
		"connection closed": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, KindTokenRequestFailed},
		"error with 200":    {says(200, "application/json", `{"error":"invalid_grant"}`), KindCodeRefused},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOP(t, "RS256")
			o.instead = handlers("/token", test.answer)
			_, err := o.login(t, o.client(t, nil))
			o.wantKind(t, err, test.kind)
			if n := o.count("POST /token"); n != 1 {
				t.Errorf("the code was sent %d times", n)
			}
		})
	}
}

func TestRefusedCodeSaysWhatTheProviderSaid(t *testing.T) {
	o := newOP(t, "RS256")
	o.instead = handlers("/token", says(400, "application/json", `{"error":"invalid_grant","error_description":"code\nused"}`))
	_, err := o.login(t, o.client(t, nil))
	o.wantKind(t, err, KindCodeRefused)
	if e := err.(*Error); e.Code != "invalid_grant" || e.Description != "code used" {
		t.Errorf("got %q %q", e.Code, e.Description)
	}
}

// Some providers quote what they refuse. None of it gets into an error.
func TestRefusalsHoldNoSecrets(t *testing.T) {
	o := newOP(t, "RS256")
	o.instead = handlers("/token", func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		said := fmt.Sprintf("Invalid code: %s (verifier %s), of %s", r.PostForm.Get("code"), url.QueryEscape(r.PostForm.Get("code_verifier")), testSecret)
		text, _ := json.Marshal(map[string]string{"error": "invalid_grant", "error_description": said})
		says(400, "application/json", string(text))(w, r)
	})
	_, err := o.login(t, o.client(t, nil))
	if want := "Invalid code: … (verifier …), of …"; err.(*Error).Description != want || strings.Contains(err.Error(), testCode) {
		t.Errorf("it says %v", err)
	}
}

// The client secret, the code and the verifier go nowhere but to the token endpoint.
func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, path := range []string{"/token", "/jwks", "/userinfo", "/.well-known/openid-configuration"} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(path+http.StatusText(status), func(t *testing.T) {
				reached := false
				evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
				defer evil.Close()
				o := newOP(t, "ES256")
				o.instead = handlers(path, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, evil.URL, status) })
				if _, err := o.login(t, o.client(t, nil)); err == nil {
					t.Error("accepted")
				}
				if reached {
					t.Error("the redirect was followed")
				}
			})
		}
	}
}

func TestTokenLifetimesThatAreAccepted(t *testing.T) {
	tests := map[string]struct {
		change func(map[string]any)
		want   time.Duration
	}{
		"a number":          {set("expires_in", 600), 600 * time.Second},
		"a number with .0":  {set("expires_in", jsonText("3600.0")), time.Hour},
		"a fraction":        {set("expires_in", jsonText("59.9")), 59 * time.Second},
		"missing":           {without("expires_in"), 300 * time.Second}, // the ID token's
		"beyond 31 bits":    {set("expires_in", int64(1)<<32), (1<<31 - 1) * time.Second},
		"unknown and weird": {set("x", map[string]any{"y": []any{nil, 1.5}}), 600 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newLocalOP()
			o.tokenResponse = test.change
			p := o.client(t, nil)
			synctest.Test(t, func(t *testing.T) {
				person, err := o.login(t, p)
				if err != nil {
					t.Fatal(err)
				}
				if got := time.Until(person.TokenExpiry).Round(time.Second); got != test.want {
					t.Errorf("the token expires in %s", got)
				}
			})
		})
	}
}

// jsonText is a number as it is written.
type jsonText string

func (n jsonText) MarshalJSON() ([]byte, error) { return []byte(n), nil }

// A blank would make two words of the Authorization header.
func TestAccessTokenWithABlankIsRefused(t *testing.T) {
	o := newOP(t, "ES256")
	o.tokenResponse = set("access_token", "two words")
	o.idClaims = without("at_hash")
	_, err := o.login(t, o.client(t, nil))
	o.wantKind(t, err, KindInvalidTokenResponse)
}
