package provider

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const opaque = "opaque-token-5d1c~+/=="

// introspecting makes a provider that knows one opaque token, whose answer a test changes, and our end.
func introspecting(t testing.TB, change func(map[string]any)) (*op, *Provider) {
	t.Helper()
	o := newOP(t, "ES256")
	o.metadata = func(m map[string]any) { m["introspection_endpoint"] = o.issuer + "/introspect" }
	o.instead["/introspect"] = o.introspect(change)
	return o, o.api(t, func(o *Options) { o.IntrospectTokens = true })
}

func (o *op) introspect(change func(map[string]any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		o.form, o.auth = r.PostForm, r.Header.Get("Authorization")
		now := time.Now().Unix()
		respond(w, changed(map[string]any{
			"active": true, "iss": o.issuer, "sub": testPerson, "aud": "api", "client_id": "robot", "token_type": "Bearer",
			"exp": now + 600, "iat": now, "nbf": now, "groups": []string{"Dev"},
		}, change))
	}
}

const introspections = "POST /introspect"

// RFC 7662 2.1: the client authenticates, and the token is in the form and nowhere else.
func TestIntrospectionRequest(t *testing.T) {
	o, p := introspecting(t, nil)
	person, remembered, err := p.Bearer(t.Context(), opaque)
	if err != nil || remembered {
		t.Fatalf("remembered %v, %v", remembered, err)
	}
	if want := (url.Values{"token": {opaque}, "token_type_hint": {"access_token"}}).Encode(); o.form.Encode() != want {
		t.Errorf("the form is %s", o.form.Encode())
	}
	if !strings.HasPrefix(o.auth, "Basic ") {
		t.Errorf("the client does not authenticate: %q", o.auth)
	}
	groups, _ := person.Claim("groups")
	if person.Subject != testPerson || person.Issuer != o.issuer || person.AccessToken != opaque || fmt.Sprint(groups) != "[Dev]" {
		t.Errorf("it is %+v, in %v", person, groups)
	}
	if left := time.Until(person.TokenExpiry); left < 590*time.Second || left > 600*time.Second {
		t.Errorf("it expires in %s", left)
	}
	if n := o.count("GET /jwks") + o.count("GET /userinfo"); n > 0 {
		t.Errorf("%d other requests were made", n)
	}
}

// A panic amid a question is no answer, and the next one is asked.
func TestPanicIsAnIntrospectionThatFailed(t *testing.T) {
	o, p := introspecting(t, nil)
	if _, _, err := p.Bearer(t.Context(), opaque); err != nil {
		t.Fatal(err)
	}
	client := p.client
	p.client = nil
	_, _, err := p.Bearer(t.Context(), "another")
	o.wantKind(t, err, KindUnavailable)
	p.client = client
	if _, _, err := p.Bearer(t.Context(), "another"); err != nil {
		t.Error(err)
	}
}

func TestIntrospectedTokensThatAreRefused(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"inactive":           set("active", false),
		"inactive and alone": func(m map[string]any) { clear(m); m["active"] = false },
		"iss of another":     set("iss", "https://other.example.com"),
		"iss empty":          set("iss", ""),
		"iss null":           set("iss", nil),
		"aud of another":     set("aud", "graph"),
		"aud missing":        without("aud"),
		"aud empty":          set("aud", []string{}),
		"exp past":           in("exp", -leeway-time.Second),
		"exp a string":       set("exp", "9999999999"),
		"exp null":           set("exp", nil),
		"nbf in the future":  in("nbf", time.Hour),
		"iat in the future":  in("iat", time.Hour),
		"sub missing":        without("sub"),
		"sub empty":          set("sub", ""),
		"sub a number":       set("sub", 7),
		"token_type DPoP":    set("token_type", "DPoP"),
		"token_type empty":   set("token_type", ""),
		"token_type null":    set("token_type", nil),
		"a refresh token":    set("typ", "Refresh"),
		"an ID token":        set("typ", "ID"),
		"bound to a key":     set("cnf", map[string]any{"x5t#S256": "x"}),
		"acr a number":       set("acr", 1),
	} {
		t.Run(name, func(t *testing.T) {
			o, p := introspecting(t, change)
			for range 2 {
				person, remembered, err := p.Bearer(t.Context(), opaque)
				if person != nil || remembered {
					t.Errorf("it is %v's, remembered as good: %v", person, remembered)
				}
				o.wantKind(t, err, KindInvalidAccessToken)
			}
			if n := o.count(introspections); n != 1 {
				t.Errorf("the provider was asked %d times", n)
			}
		})
	}
}

func TestIntrospectedTokensThatAreAccepted(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"no iss":             without("iss"),
		"no exp":             without("exp"),
		"no token_type":      without("token_type"),
		"token_type bEARER":  set("token_type", "bEARER"),
		"aud an array":       set("aud", []string{"graph", "api"}),
		"no iat and no nbf":  changes(without("iat"), without("nbf")),
		"Keycloak":           changes(set("typ", "Bearer"), set("username", testPerson)),
		"nonce, as some say": set("nonce", "n"),
	} {
		t.Run(name, func(t *testing.T) {
			o, p := introspecting(t, change)
			person, _, err := p.Bearer(t.Context(), opaque)
			if err != nil {
				t.Fatal(err)
			}
			if person.Issuer != o.issuer || !person.TokenExpiry.After(time.Now()) {
				t.Errorf("it is %+v", person)
			}
		})
	}
}

// What is no answer says neither that a token is good nor that it is bad, and is asked about again.
func TestIntrospectionsThatAreNoAnswer(t *testing.T) {
	const good = `"iss":"%s","sub":"alice","aud":"api"}`
	for name, answer := range map[string]struct {
		status    int
		kind, say string
	}{
		"active a string":  {200, "application/json", `{"active":"true",` + good},
		"active a number":  {200, "application/json", `{"active":1,` + good},
		"active null":      {200, "application/json", `{"active":null,` + good},
		"active missing":   {200, "application/json", `{` + good},
		"Active":           {200, "application/json", `{"Active":true,` + good},
		"Active as well":   {200, "application/json", `{"Active":false,"active":true,` + good},
		"SUB as well":      {200, "application/json", `{"active":true,"SUB":"root",` + good},
		"Token_use":        {200, "application/json", `{"active":true,"Token_use":"refresh",` + good},
		"active twice":     {200, "application/json", `{"active":false,"active":true,` + good},
		"sub twice":        {200, "application/json", `{"active":true,"sub":"root",` + good},
		"an array":         {200, "application/json", `[{"active":true,` + good + `]`},
		"a second object":  {200, "application/json", `{"active":true,` + good + `{}`},
		"not JSON":         {200, "application/json", `active=true`},
		"empty":            {200, "application/json", ``},
		"a page":           {200, "text/html", `{"active":true,` + good},
		"a JWT":            {200, "application/token-introspection+jwt", `{"active":true,` + good},
		"201":              {201, "application/json", `{"active":true,` + good},
		"a redirect":       {302, "application/json", `{"active":true,` + good},
		"401":              {401, "application/json", `{"error":"invalid_client"}`},
		"500":              {500, "application/json", `{"active":true,` + good},
		"500 and inactive": {500, "application/json", `{"active":false}`},
		"huge":             {200, "application/json", `{"x":"` + strings.Repeat("x", maxBody) + `","active":true,` + good},
	} {
		t.Run(name, func(t *testing.T) {
			o, p := introspecting(t, nil)
			o.instead["/introspect"] = says(answer.status, answer.kind, strings.Replace(answer.say, "%s", o.issuer, 1))
			for i := range 2 {
				person, _, err := p.Bearer(t.Context(), opaque)
				if person != nil {
					t.Errorf("it is %v's", person)
				}
				o.wantKind(t, err, KindUnavailable)
				if n := o.count(introspections); n != i+1 {
					t.Errorf("the provider was asked %d times", n)
				}
			}
		})
	}
}

// Whatever has two dots is judged as a JWT, whatever has not is no JWT; and without INTROSPECT_TOKENS nobody is asked.
func TestWhatIsIntrospected(t *testing.T) {
	for _, test := range []struct {
		raw     string
		allowed bool
		asked   int
	}{
		{opaque, true, 1}, {opaque, false, 0}, {"e30.AA.AA.AA.AA", true, 1}, {"a.b", true, 1}, {"a.b.c", true, 0},
		{"", true, 0}, {"a b", true, 0}, {"a\tb", true, 0}, {"é", true, 0}, {"==", true, 0}, {strings.Repeat("x", maxToken+1), true, 0},
	} {
		o, p := introspecting(t, nil)
		p.options.IntrospectTokens = test.allowed
		_, _, err := p.Bearer(t.Context(), test.raw)
		if (err == nil) != (test.asked == 1) {
			t.Errorf("%.20q: %v", test.raw, err)
		}
		if n := o.count(introspections); n != test.asked {
			t.Errorf("about %.20q the provider was asked %d times", test.raw, n)
		}
	}
}

func TestIntrospectionWithoutEndpoint(t *testing.T) {
	o, p := introspecting(t, nil)
	o.metadata = nil
	_, _, err := p.Bearer(t.Context(), opaque)
	o.wantKind(t, err, KindInvalidMetadata)
	if !strings.Contains(err.Error(), "DOORWARD_INTROSPECT_TOKENS") {
		t.Errorf("it names no mend: %v", err)
	}
}

func TestIntrospectionEndpointIsChecked(t *testing.T) {
	for _, address := range []any{"http://idp.example.com/introspect", "/introspect", "https://u@idp.example.com/x", 1, ""} {
		o, p := introspecting(t, nil)
		o.metadata = set("introspection_endpoint", address)
		_, _, err := p.Bearer(t.Context(), opaque)
		o.wantKind(t, err, KindInvalidMetadata)
	}
}

// offline is a provider without a network, so that time can be synctest's.
func offline(t testing.TB, change func(map[string]any)) (*op, *Provider) {
	o := newLocalOP()
	o.metadata = set("introspection_endpoint", o.issuer+"/introspect")
	o.instead["/introspect"] = o.introspect(change)
	p := o.api(t, func(o *Options) { o.IntrospectTokens = true })
	return o, p
}

// A good answer is remembered for a minute, and never beyond exp; a bad one for a few seconds.
func TestHowLongIntrospectionsAreRemembered(t *testing.T) {
	for name, test := range map[string]struct {
		change func(map[string]any)
		good   bool
		lasts  time.Duration
	}{
		"good":           {nil, true, time.Minute},
		"good, no exp":   {without("exp"), true, time.Minute},
		"good, soon not": {in("exp", 10*time.Second), true, 10 * time.Second},
		"inactive":       {set("active", false), false, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, p := offline(t, test.change)
				for range 3 {
					if _, _, err := p.Bearer(t.Context(), opaque); (err == nil) != test.good {
						t.Error(err)
					}
				}
				time.Sleep(test.lasts - time.Millisecond)
				p.Bearer(t.Context(), opaque)
				if n := o.count(introspections); n != 1 {
					t.Errorf("until then the provider was asked %d times", n)
				}
				o.instead["/introspect"] = o.introspect(set("active", false)) // revoked
				time.Sleep(time.Millisecond)
				_, _, err := p.Bearer(t.Context(), opaque)
				o.wantKind(t, err, KindInvalidAccessToken)
				if n := o.count(introspections); n != 2 {
					t.Errorf("after that the provider was asked %d times", n)
				}
			})
		})
	}
}

// gate lets introspections wait until it is opened.
type gate struct {
	next http.RoundTripper
	open chan struct{}

	mu           sync.Mutex
	asking, most int
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != "/introspect" {
		return g.next.RoundTrip(r)
	}
	g.count(1)
	defer g.count(-1)
	select {
	case <-g.open:
		return g.next.RoundTrip(r)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func (g *gate) count(more int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asking += more
	g.most = max(g.most, g.asking)
}

func gated(t testing.TB, change func(map[string]any)) (*op, *Provider, *gate) {
	o, p := offline(t, change)
	if err := p.Ready(t.Context()); err != nil { // so that all wait for the same
		t.Fatal(err)
	}
	g := &gate{next: p.client.transport, open: make(chan struct{})}
	p.client.transport = g
	return o, p, g
}

// However many bring a token at once, the provider is asked once.
func TestOneIntrospectionForAll(t *testing.T) {
	for _, active := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			o, p, g := gated(t, set("active", active))
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					if _, _, err := p.Bearer(t.Context(), opaque); (err == nil) != active {
						t.Error(err)
					}
				})
			}
			synctest.Wait()
			close(g.open)
			all.Wait()
			if n := o.count(introspections); n != 1 {
				t.Errorf("the provider was asked %d times", n)
			}
		})
	}
}

// Who looked just before an answer came, and asks just after, gets that one.
func TestAnAnswerThatCameJustBeforeTheQuestion(t *testing.T) {
	o, p := introspecting(t, nil)
	if _, _, err := p.Bearer(t.Context(), opaque); err != nil {
		t.Fatal(err)
	}
	q, err := p.join(t.Context(), opaque, sha256.Sum256([]byte(opaque)))
	if err != nil {
		t.Fatal(err)
	}
	if <-q.done; q.err != nil || q.person.Subject != testPerson {
		t.Errorf("got %v, %v", q.person, q.err)
	}
	if n := o.count(introspections); n != 1 {
		t.Errorf("the provider was asked %d times", n)
	}
}

// An asker who goes away takes the answer from nobody.
func TestAskerWhoGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, p, g := gated(t, nil)
		ctx, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			_, _, err := p.Bearer(ctx, opaque)
			o.wantKind(t, err, KindUnavailable)
		})
		synctest.Wait()
		all.Go(func() {
			if _, _, err := p.Bearer(t.Context(), opaque); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		leave()
		synctest.Wait()
		close(g.open)
		all.Wait()
		if n := o.count(introspections); n != 1 {
			t.Errorf("the provider was asked %d times", n)
		}
	})
}

// Questions are few at a time, those that wait are bounded too, and each ends after its time.
func TestIntrospectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, p, g := gated(t, nil)
		began := time.Now()
		var all sync.WaitGroup
		var atOnce atomic.Int32
		for i := range maxAsking + maxWaiting + 10 {
			all.Go(func() {
				_, _, err := p.Bearer(t.Context(), fmt.Sprint("token-", i))
				o.wantKind(t, err, KindUnavailable)
				if time.Since(began) == 0 {
					atOnce.Add(1)
				}
			})
		}
		all.Wait() // the gate stays closed
		if took := time.Since(began); took != introspectTimeout {
			t.Errorf("the last waited for %s", took)
		}
		if g.most != maxAsking || atOnce.Load() != 10 {
			t.Errorf("%d questions at a time, %d were told at once", g.most, atOnce.Load())
		}
		close(g.open)
		if _, _, err := p.Bearer(t.Context(), opaque); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// Made-up tokens push out no good one, however many good ones there are.
func TestFloodOfMadeUpTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, p := offline(t, nil)
		for i := range maxKnown {
			if _, _, err := p.Bearer(t.Context(), fmt.Sprint("good-", i)); err != nil {
				t.Fatal(err)
			}
		}
		o.instead["/introspect"] = o.introspect(set("active", false))
		for i := range maxKnown + drawn {
			p.Bearer(t.Context(), fmt.Sprint("made-up-", i))
		}
		for i := range maxKnown {
			if _, remembered, err := p.Bearer(t.Context(), fmt.Sprint("good-", i)); !remembered || err != nil {
				t.Fatalf("good token %d: remembered %v, %v", i, remembered, err)
			}
		}
		if n := len(p.introspection.inactive.known); n > maxKnown {
			t.Errorf("%d bad ones are remembered", n)
		}
	})
}

// A refresh token that the provider calls active is no access token.
func TestIntrospectedRefreshTokens(t *testing.T) {
	for use, want := range map[string]bool{"access_token": true, "access": true, "refresh_token": false, "": false} {
		_, p := introspecting(t, func(m map[string]any) { delete(m, "token_type"); m["token_use"] = use })
		if _, _, err := p.Bearer(t.Context(), opaque); (err == nil) != want {
			t.Errorf("token_use %q: %v", use, err)
		}
	}
}
