package backend

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// get asks for a page as a browser would, with header fields given as pairs.
func get(t *testing.T, url string, fields ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestTokenDecides(t *testing.T) {
	i, backend := newBackend(t)
	stranger := newIssuer(t, i.name)
	tests := []struct {
		name, header, value string
		want                int
	}{
		{"valid token", "Authorization", "Bearer " + i.token(t, nil), 200},
		{"scheme in other letters", "Authorization", "bearer " + i.token(t, nil), 200},
		{"no token", "X-Nothing", "", 401},
		{"headers that name somebody", "X-Forwarded-User", "alice", 401},
		{"expired", "Authorization", "Bearer " + i.token(t, map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}), 401},
		{"for another audience", "Authorization", "Bearer " + i.token(t, map[string]any{"aud": "app"}), 401},
		{"of another issuer", "Authorization", "Bearer " + i.token(t, map[string]any{"iss": "https://evil.example"}), 401},
		{"signed by somebody else", "Authorization", "Bearer " + stranger.token(t, nil), 401},
		{"no JWT", "Authorization", "Bearer something", 401},
		{"another scheme", "Authorization", "Basic " + i.token(t, nil), 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, _ := get(t, backend.URL+"/", tt.header, tt.value)
			if status != tt.want {
				t.Errorf("status %d, want %d", status, tt.want)
			}
		})
	}
}

func TestAdminNeedsTheGroup(t *testing.T) {
	i, backend := newBackend(t)
	tests := []struct {
		name   string
		groups any
		want   int
	}{
		{"in it", []string{"Dev", "Admin"}, 200},
		{"in another", []string{"Dev", "admin"}, 403},
		{"in none", nil, 403},
		{"groups as text", "Admin", 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token := i.token(t, map[string]any{"groups": tt.groups})
			status, _ := get(t, backend.URL+"/admin/", "Authorization", "Bearer "+token, "X-Forwarded-Groups", "Admin")
			if status != tt.want {
				t.Errorf("status %d, want %d", status, tt.want)
			}
		})
	}
}

func TestHomeShowsNoCredentials(t *testing.T) {
	i, backend := newBackend(t)
	token := i.token(t, nil)
	_, page := get(t, backend.URL+"/", "Authorization", "Bearer "+token, "Cookie", "theme=dark-and-quiet")
	for name, secret := range map[string]string{"token": token, "cookie": "dark-and-quiet"} {
		if strings.Contains(page, secret) {
			t.Errorf("the page shows the whole %s", name)
		}
	}
	if !strings.Contains(page, "Hello, alice") || !strings.Contains(page, "theme=…") {
		t.Errorf("the page does not tell who calls and what came: %s", page)
	}
}

func TestHomeGreetsByThePreferredName(t *testing.T) {
	i, backend := newBackend(t)
	token := i.token(t, map[string]any{"preferred_username": "alice.archer"})
	if _, page := get(t, backend.URL+"/", "Authorization", "Bearer "+token); !strings.Contains(page, "Hello, alice.archer") {
		t.Errorf("the page greets otherwise: %s", page)
	}
}

func TestMe(t *testing.T) {
	i, backend := newBackend(t)
	_, body := get(t, backend.URL+"/api/me", "Authorization", "Bearer "+i.token(t, nil))
	var me struct {
		User   string
		Groups []string
	}
	if err := json.Unmarshal([]byte(body), &me); err != nil {
		t.Fatal(err)
	}
	if me.User != "alice" || strings.Join(me.Groups, " ") != "Admin Dev" {
		t.Errorf("me is %+v", me)
	}
}

func TestStatusIsPublic(t *testing.T) {
	i, backend := newBackend(t)
	if status, page := get(t, backend.URL+"/status"); status != 200 || strings.Contains(page, "alice") {
		t.Errorf("without a token: status %d", status)
	}
	if _, page := get(t, backend.URL+"/status", "Authorization", "Bearer "+i.token(t, nil)); !strings.Contains(page, "alice") {
		t.Error("with a token, the page does not know whose it is")
	}
}

func TestProviderThatStartsLater(t *testing.T) {
	late := httptest.NewUnstartedServer(nil)
	i := newIssuer(t, "http://late.invalid")
	var up atomic.Bool
	late.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up.Load() {
			http.Error(w, "not yet", http.StatusBadGateway)
			return
		}
		i.ServeHTTP(w, r)
	})
	late.Start()
	defer late.Close()
	backend := serve(t, Options{Issuer: i.name, ProviderURL: late.URL, Audience: "api"})
	if status, _ := get(t, backend.URL+"/", "Authorization", "Bearer "+i.token(t, nil)); status != http.StatusServiceUnavailable {
		t.Errorf("while the provider is down: status %d", status)
	}
	up.Store(true)
	if status, _ := get(t, backend.URL+"/", "Authorization", "Bearer "+i.token(t, nil)); status != http.StatusOK {
		t.Errorf("once it is up: status %d", status)
	}
}

func TestEventsEndWhenTheClientGoes(t *testing.T) {
	i, _ := newBackend(t)
	b, err := New(Options{Issuer: i.name, Audience: "api"})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.ServeHTTP(w, r)
		close(ended)
	}))
	defer server.Close()
	ctx, leave := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/events", nil)
	r.Header.Set("Authorization", "Bearer "+i.token(t, nil))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Scan() // id
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "data: alice is here") {
		t.Errorf("the first event is %q", lines.Text())
	}
	leave()
	<-ended
}

func TestWebSocketEchoes(t *testing.T) {
	i, backend := newBackend(t)
	header := http.Header{"Authorization": {"Bearer " + i.token(t, nil)}}
	conn, _, err := websocket.Dial(t.Context(), backend.URL+"/ws", &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	_, answer, err := conn.Read(t.Context())
	if err != nil || string(answer) != "alice said: hello" {
		t.Errorf("answer %q, %v", answer, err)
	}
}

func TestWebSocketRefusesOtherSites(t *testing.T) {
	i, backend := newBackend(t)
	header := http.Header{"Authorization": {"Bearer " + i.token(t, nil)}, "Origin": {"https://evil.example"}}
	_, answer, err := websocket.Dial(t.Context(), backend.URL+"/ws", &websocket.DialOptions{HTTPHeader: header})
	if err == nil || answer.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another site was connected: %v", err)
	}
}
