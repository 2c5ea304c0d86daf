package main

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"doorward/config"
	"doorward/proxy/provider"
)

func TestCheckOfAGoodConfiguration(t *testing.T) {
	environment(t, map[string]string{"PUBLIC_URL": "https://app.example.com,https://b.example.com"})
	status, out, errOut := command(t, "check")
	if status != exitOK || errOut != "" {
		t.Errorf("status %d, err %q", status, errOut)
	}
	for _, want := range []string{
		"https://app.example.com/oauth2/callback", "https://b.example.com/oauth2/callback",
		"https://app.example.com/oauth2/sign_out", "DOORWARD_AUDIENCE is unset",
		"https://app.example.com/oauth2/backchannel-logout", "https://app.example.com/oauth2/frontchannel-logout",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

func TestCheckReportsEveryProblemWithItsMend(t *testing.T) {
	environment(t, map[string]string{"ISSUER_URL": unset, "SHUTDOWN_DELAY": "30", "CLIENT_SECERT": canary})
	status, out, _ := command(t, "check")
	if status != exitFailed {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{"DOORWARD_ISSUER_URL", "DOORWARD_SHUTDOWN_DELAY", "30s", "DOORWARD_CLIENT_SECERT", "the nearest is DOORWARD_CLIENT_SECRET"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

func TestCheckJSON(t *testing.T) {
	for _, c := range []struct {
		changes  map[string]string
		status   int
		problems int
	}{
		{nil, exitOK, 0},
		{map[string]string{"LOG_LEVEL": "loud", "ISSUER_URL": "x"}, exitFailed, 2},
	} {
		environment(t, c.changes)
		status, out, _ := command(t, "check", "--json")
		var r struct {
			OK       bool
			Problems []struct{ Variable, Wrong, Mend string }
			Register struct {
				Redirects []string `json:"redirect_uris"`
				Logouts   []string `json:"post_logout_redirect_uris"`
				Back      string   `json:"backchannel_logout_uri"`
				Front     string   `json:"frontchannel_logout_uri"`
			}
			Notes []string
		}
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if status != c.status || r.OK != (c.status == exitOK) || len(r.Problems) != c.problems || r.Notes == nil {
			t.Errorf("status %d, report %+v", status, r)
		}
		if len(r.Register.Redirects) != 1 || len(r.Register.Logouts) != 1 || r.Register.Back == "" || r.Register.Front == "" {
			t.Errorf("to register: %+v", r.Register)
		}
	}
}

// Whoever reads lists need not tell an empty one from none.
func TestCheckJSONHasEveryList(t *testing.T) {
	environment(t, map[string]string{"PUBLIC_URL": unset})
	if _, out, _ := command(t, "check", "--json"); !strings.Contains(out, `"redirect_uris": []`) || !strings.Contains(out, `"post_logout_redirect_uris": []`) {
		t.Errorf("lists are missing in\n%s", out)
	}
}

// Problems and notes are findings, too, under the setting that they are about.
func TestCheckJSONHasEveryFinding(t *testing.T) {
	for _, c := range []struct {
		changes map[string]string
		want    string // "level id", in order
	}{
		{nil, "note config.audience"},
		{map[string]string{"ACCESS_RULES": "/ authenticated\n/oauth2/x public\nbarn/ group:Admin"}, "note config.audience note config.scopes note config.endpoint-prefix note config.public-url"},
		{map[string]string{"CLIENT_SECRET": unset, "CLIENT_SECRET_FILE": "/does/not/exist", "LOG_LEVEL": "loud"}, "fail config.client-secret fail config.log-level"},
	} {
		environment(t, c.changes)
		_, out, _ := command(t, "check", "--json")
		var r report
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		var got []string
		for _, f := range r.Findings {
			got = append(got, string(f.Level), f.ID)
			if f.Subject == "" || f.Says == "" {
				t.Errorf("%+v", f)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v: %s, want %s", c.changes, strings.Join(got, " "), c.want)
		}
	}
}

func TestCheckCountsEveryProblemOfOneVariable(t *testing.T) {
	environment(t, map[string]string{"ACCESS_RULES": "/ authenticatd\nb//c authenticated\nGETT /x grop:Admin"})
	status, out, _ := command(t, "check")
	if status != exitFailed || !strings.Contains(out, "3 to mend") {
		t.Errorf("status %d, out\n%s", status, out)
	}
}

func TestCheckNotesIgnoredVariables(t *testing.T) {
	environment(t, map[string]string{"PORT": "8080"})
	if status, out, _ := command(t, "check"); status != exitOK || !strings.Contains(out, "DOORWARD_PORT is ignored") {
		t.Errorf("status %d, out\n%s", status, out)
	}
}

func TestHeadlineOfCheck(t *testing.T) {
	for _, c := range []struct {
		report report
		want   string
	}{
		{report{OK: true}, "The configuration is fine."},
		{report{OK: true, live: []finding{{Level: provider.LevelOK}, {Level: provider.LevelNote}}}, "The configuration is fine."},
		{report{OK: true, live: []finding{{Level: provider.LevelOK}, {Level: provider.LevelFail}, {Level: provider.LevelFail}}}, "doorward would start, but 2 of what was asked live failed."},
		{report{Problems: make([]config.Problem, 2)}, "doorward would not start: 2 to mend."},
	} {
		if got := c.report.headline(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// What is down now may be up later: it does not refuse the start, so it does
// not fail the check.
func TestCheckLiveReportsWhatIsDown(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	upstream := httptest.NewServer(http.NotFoundHandler())
	defer upstream.Close()
	environment(t, map[string]string{
		"ISSUER_URL": "http://" + closed.Addr().String(),
		"UPSTREAMS":  upstream.URL + "; /gone/ http://" + closed.Addr().String() + "; /socket/ unix:/does/not/exist.sock",
	})
	status, out, _ := command(t, "check", "--live", "--json")
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	var failed int
	for _, f := range r.Findings {
		if f.failed() {
			failed++
			if f.Mend == "" {
				t.Errorf("no mend for %s: %s", f.Subject, f.Says)
			}
		}
	}
	if status != exitOK || failed < 3 || failed == len(r.Findings) {
		t.Errorf("status %d, findings %+v", status, r.Findings)
	}
}

// An upstream with which TLS fails is there: nothing needs to be started.
func TestCheckLiveOfAnUpstreamWithWhichTLSFails(t *testing.T) {
	plain, unknown := httptest.NewServer(http.NotFoundHandler()), httptest.NewUnstartedServer(http.NotFoundHandler())
	unknown.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that fails on purpose
	unknown.StartTLS()
	defer plain.Close()
	defer unknown.Close()
	for address, mend := range map[string]string{
		strings.Replace(plain.URL, "http:", "https:", 1): "write http:// in its entry in DOORWARD_UPSTREAMS",
		unknown.URL: "ca= where the system does not know the authority",
	} {
		environment(t, map[string]string{"UPSTREAMS": address})
		if _, out, _ := command(t, "check", "--live"); !strings.Contains(out, mend) || strings.Contains(out, "start it") {
			t.Errorf("%s: out %s", address, out)
		}
	}
}

func TestCheckLiveAsksNobodyWhenTheConfigurationIsWrong(t *testing.T) {
	environment(t, map[string]string{"LOG_LEVEL": "loud"})
	if status, out, _ := command(t, "check", "--live"); status != exitFailed || strings.Contains(out, "Asked live") {
		t.Errorf("status %d, out %s", status, out)
	}
}

// Whoever proves itself by a key has to give the provider the public half, and nothing else of it.
func TestCheckPrintsTheClientsPublicKey(t *testing.T) {
	const private = `{"kty":"EC","crv":"P-256","kid":"k1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}`
	environment(t, map[string]string{"CLIENT_AUTH": "private_key_jwt", "CLIENT_SECRET": unset, "CLIENT_KEY": private})
	for _, args := range [][]string{{"check"}, {"check", "--json"}} {
		status, out, _ := command(t, args...)
		if status != exitOK || !strings.Contains(out, "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU") || !strings.Contains(out, "k1") {
			t.Errorf("%v: status %d, out\n%s", args, status, out)
		}
		if strings.Contains(out, "jpsQnnGQmL") {
			t.Errorf("%v prints the private key", args)
		}
	}
	environment(t, nil)
	if _, out, _ := command(t, "check"); strings.Contains(out, "public key") {
		t.Errorf("without a key it speaks of one:\n%s", out)
	}
}

func TestCheckSaysHowToConfigureTheServerInFront(t *testing.T) {
	environment(t, map[string]string{"UPSTREAMS": unset, "FORWARD_AUTH": "nginx", "TRUSTED_PROXIES": "127.0.0.1"})
	status, out, _ := command(t, "check")
	if status != exitOK {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{"Configure the server in front (DOORWARD_FORWARD_AUTH)", "/oauth2/auth", "X-Forwarded-Uri", "X-Auth-Request-Groups", "deploy/nginx"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}
