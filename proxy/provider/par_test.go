package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	parReference = "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c"
	parAnswer    = `{"request_uri":"` + parReference + `","expires_in":60}`
)

// newPushingOP is a provider that demands pushed requests and answers them so.
func newPushingOP(t *testing.T, answer http.HandlerFunc) *op {
	t.Helper()
	o := newOP(t, "ES256")
	o.metadata = both(set("pushed_authorization_request_endpoint", o.issuer+"/par"), set("require_pushed_authorization_requests", true))
	o.instead = handlers("/par", answer)
	return o
}

// What is pushed and what goes through the browser otherwise is the same (RFC 9126 2.1), and the provider's own parameters of the
// endpoint's address stay (RFC 6749 3.1).
func TestPushedParametersAreThoseOfThePlainRequest(t *testing.T) {
	var pushed url.Values
	o := newPushingOP(t, func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		pushed = r.PostForm
		says(201, "application/json", parAnswer)(w, r)
	})
	options := func(o *Options) {
		o.ResponseMode, o.AuthParams = "form_post", url.Values{"prompt": {"login"}, "resource": {"a", "b"}}
	}
	r := NewRequest(callback)
	short, err := o.client(t, options).AuthorizationURL(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if want := o.issuer + "/authorize?tenant=one&" + (url.Values{"client_id": {testClient}, "request_uri": {parReference}}).Encode(); short != want {
		t.Errorf("the browser goes to %s, not %s", short, want)
	}

	o.metadata = nil
	long, err := o.client(t, options).AuthorizationURL(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(long)
	plain := u.Query()
	plain.Del("tenant")
	if !reflect.DeepEqual(pushed, plain) {
		t.Errorf("pushed are %v, plain %v", pushed, plain)
	}
}

func TestPushIsRefused(t *testing.T) {
	tests := map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"200":               {says(200, "application/json", parAnswer), "status is 200"},
		"307":               {says(307, "application/json", parAnswer), "redirect"},
		"400":               {says(400, "application/json", `{"error":"invalid_request","error_description":"no"}`), `error "invalid_request", description "no"`},
		"401":               {says(401, "application/json", `{"error":"invalid_client"}`), "invalid_client"},
		"page":              {says(201, "text/html", "<h1>welcome</h1>"), "content type"},
		"member twice":      {says(201, "application/json", `{"request_uri":"urn:x",`+parAnswer[1:]), "twice"},
		"no reference":      {says(201, "application/json", `{"expires_in":60}`), "request_uri is missing"},
		"reference a list":  {says(201, "application/json", `{"request_uri":["urn:x"],"expires_in":60}`), "not a string"},
		"reference a blank": {says(201, "application/json", `{"request_uri":"urn:a b","expires_in":60}`), "no URI has"},
		"reference a path":  {says(201, "application/json", `{"request_uri":"//evil/x","expires_in":60}`), "no URI"},
		"reference huge":    {says(201, "application/json", `{"request_uri":"urn:`+strings.Repeat("x", 2048)+`","expires_in":60}`), "2052 bytes"},
		"no lifetime":       {says(201, "application/json", `{"request_uri":"urn:x"}`), "expires_in is missing"},
		"lifetime text":     {says(201, "application/json", `{"request_uri":"urn:x","expires_in":"60"}`), "not a number"},
		"lifetime zero":     {says(201, "application/json", `{"request_uri":"urn:x","expires_in":0}`), "not positive"},
		"lifetime huge":     {says(201, "application/json", `{"request_uri":"urn:x","expires_in":1e300}`), "out of range"},
		"error with 201":    {says(201, "application/json", `{"error":"invalid_request"}`), "invalid_request"},
		"closed":            {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newPushingOP(t, test.answer)
			address, err := o.client(t, nil).AuthorizationURL(t.Context(), NewRequest(callback))
			o.wantKind(t, err, KindPARFailed)
			if address != "" || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), parReference) {
				t.Errorf("got %q, %v", address, err)
			}
			if n := o.count("POST /par"); n != 1 {
				t.Errorf("the request was pushed %d times", n)
			}
		})
	}
}

func TestPushThatIsNeverAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newLocalOP()
		o.metadata = both(set("pushed_authorization_request_endpoint", o.issuer+"/par"), set("require_pushed_authorization_requests", true))
		p := o.client(t, nil)
		if err := p.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.client.transport = hangs{}
		began := time.Now()
		_, err := p.AuthorizationURL(t.Context(), NewRequest(callback))
		o.wantKind(t, err, KindPARFailed)
		if took := time.Since(began); took != askTimeout {
			t.Errorf("it took %s", took)
		}
	})
}

func TestPushOfSomebodyWhoLeft(t *testing.T) {
	o := newPushingOP(t, says(201, "application/json", parAnswer))
	p := o.client(t, nil)
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	leave()
	_, err := p.AuthorizationURL(ctx, NewRequest(callback))
	o.wantKind(t, err, KindPARFailed)
	if n := o.count("POST /par"); n != 0 {
		t.Errorf("the request was pushed %d times", n)
	}
}

// Where doorward reaches the provider by another origin than browsers do, it pushes there, and browsers go where they can.
func TestPushByTheInternalURL(t *testing.T) {
	o := newPushingOP(t, says(201, "application/json", parAnswer))
	inside := o.issuer
	o.issuer = "https://idp.example.com"
	o.metadata = both(set("pushed_authorization_request_endpoint", o.issuer+"/par"), set("require_pushed_authorization_requests", true))
	address, err := o.client(t, func(o *Options) { o.InternalURL = inside }).AuthorizationURL(t.Context(), NewRequest(callback))
	if err != nil || !strings.HasPrefix(address, "https://idp.example.com/authorize?") {
		t.Errorf("got %s, %v", address, err)
	}
	if n := o.count("POST /par"); n != 1 {
		t.Errorf("the request was pushed %d times", n)
	}
}

func TestAlwaysPushingNeedsAnEndpoint(t *testing.T) {
	o := newOP(t, "ES256")
	_, err := o.client(t, func(o *Options) { o.AlwaysPush = true }).AuthorizationURL(t.Context(), NewRequest(callback))
	o.wantKind(t, err, KindInvalidMetadata)
	if known, _ := errors.AsType[*Error](err); !strings.Contains(known.Error(), "DOORWARD_PAR") {
		t.Errorf("it says %v", err)
	}
}
