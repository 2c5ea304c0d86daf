package main

import (
	"strings"
	"testing"
)

const someRules = `
/                 authenticated
/admin/           group:Admin
GET /status       public
/closed/          deny
/user/{name}/     claim:preferred_username={name}
/mail/            email:*@example.com
/net/             ip:10.0.0.0/8
/strong/          acr:mfa max-age:15m
/{room}/locked/   acr:mfa
/safe/            acr:hwk
/either/          group:Admin | max-age:90m | group:Dev max-age:8h
/api/             group:Writers
/git/             upstream-auth
wiki.example.com/ user:kim
/roles/           claim:roles=audit
`

const someUpstreams = `http://app:8080; /api/ http://api:9000 strip=/api; /status http://app:8081`

func TestExplain(t *testing.T) {
	for _, e := range []struct {
		args   string
		status int
		says   []string
	}{
		{"/", exitOK, []string{"rule      /", "asks for  authenticated", "http://app:8080 as /", "allowed"}},
		{"https://app.example.com", exitOK, []string{"app.example.com/"}},
		{"GET https://app.example.com/admin/users?x=y#z --group Admin", exitOK, []string{"rule      /admin/", "asks for  group:Admin", "allowed"}},
		{"--group Dev --group Admin /admin/", exitOK, []string{"allowed"}},
		{"/admin/ --group Dev", exitFailed, []string{"rule      /admin/", "denied", "group:Admin"}},
		{"/admin/", exitFailed, []string{"no groups"}},
		{"/status", exitOK, []string{"GET /status", "everybody", "http://app:8081"}},
		{"post /status", exitOK, []string{"POST", "rule      /", "signed in"}},
		{"/closed/x --group Admin", exitFailed, []string{"/closed/", "denied"}},
		{"/user/kim/ --claim preferred_username=kim", exitOK, []string{"/user/{name}/"}},
		{"/user/kim/ --claim preferred_username=lee", exitFailed, nil},
		{"/roles/ --claim roles=dev --claim roles=ops --claim roles=audit", exitOK, nil},
		{"/mail/ --email me@example.com", exitOK, nil},
		{"/mail/ --email me@example.org", exitFailed, []string{"email:"}},
		{"/net/ --ip 10.1.2.3", exitOK, nil},
		{"/net/ --ip 11.1.2.3", exitFailed, nil},
		{"/strong/ --acr mfa", exitOK, []string{"for a login not older than 15m;"}},
		{"/strong/ --acr mfa --age 14m", exitOK, []string{"not older than 15m; people with an older one are sent to sign in again"}},
		{"/strong/ --acr mfa --age 16m", exitFailed, []string{"denied with this login", "max-age:15m", "one with acr mfa, not older than 15m. People are sent"}},
		{"/strong/ --acr pwd", exitFailed, []string{"denied with this login", "one with acr mfa, not older than 15m. People are sent"}},
		{"/safe/locked/ --acr hwk", exitFailed, []string{"denied: the rule", "no login is what all of them ask for"}},
		{"/either/", exitOK, []string{"not older than 1h30m;"}},
		{"/either/ --group Dev", exitOK, []string{"not older than 8h;"}},
		{"/either/ --group Admin", exitOK, []string{"signed in;"}},
		{"MOVE /a", exitOK, []string{"Destination"}},
		{"/strong/", exitFailed, nil},
		{"/git/repo", exitOK, []string{"own Authorization"}},
		{"https://wiki.example.com/ --user kim", exitOK, []string{"wiki.example.com/", "nobody can sign in at wiki.example.com: DOORWARD_PUBLIC_URL"}},
		{"https://wiki.example.com/ --user lee", exitFailed, nil},
		{"DELETE https://app.example.com/api/things/1 --group Writers", exitOK, []string{"http://api:9000 as /things/1"}},
		{"https://other.example.com/", exitFailed, []string{"421", "PUBLIC_URL"}},
		{"TRACE /", exitFailed, []string{"405"}},
		{"/oauth2/userinfo", exitOK, []string{"doorward itself"}},
		{"/ADMIN/", exitFailed, []string{"reads it as /admin/,"}},
		{"/x/..%2fadmin/", exitFailed, []string{"400", "/admin/"}},
		{"/%zz", exitFailed, []string{"400"}},
	} {
		t.Run(e.args, func(t *testing.T) {
			environment(t, map[string]string{"ACCESS_RULES": someRules, "UPSTREAMS": someUpstreams})
			status, out, errOut := command(t, append([]string{"explain"}, strings.Fields(e.args)...)...)
			if status != e.status || errOut != "" {
				t.Errorf("status %d, want %d; err %q", status, e.status, errOut)
			}
			for _, want := range e.says {
				if !strings.Contains(out, want) {
					t.Errorf("%q is missing in\n%s", want, out)
				}
			}
		})
	}
}

// A group may be given by its name, as rules have it, or as the provider sends it.
func TestExplainKnowsGroupAliases(t *testing.T) {
	environment(t, map[string]string{"ACCESS_RULES": "/ group:Finance", "UPSTREAMS": "http://app:8080", "GROUP_ALIASES": "Finance=1f0c"})
	if status, out, _ := command(t, "explain", "/", "--group", "Finance"); status != exitOK || strings.Contains(out, "GROUP_ALIASES") {
		t.Errorf("by its name: status %d, out %s", status, out)
	}
	if status, out, _ := command(t, "explain", "/", "--group", "1f0c"); status != exitOK || !strings.Contains(out, "group 1f0c is Finance (DOORWARD_GROUP_ALIASES)") {
		t.Errorf("by its identifier: status %d, out %s", status, out)
	}
	environment(t, map[string]string{"ACCESS_RULES": "/ group:Finance", "GROUP_ALIASES": "Finance"})
	if status, _, errOut := command(t, "explain", "/"); status != exitUsage || !strings.Contains(errOut, "GROUP_ALIASES") {
		t.Errorf("with broken aliases: status %d, err %q", status, errOut)
	}
}

// With one login for the domain, whoever has no session is sent elsewhere and comes back; hosts that only a pattern covers are told apart.
func TestExplainKnowsWhereSharedSessionsBegin(t *testing.T) {
	for address, says := range map[string]string{
		"https://wiki.example.com/": "people without a session sign in at https://app.example.com, and come back", "https://any.dev.example.com/": "nobody can sign in at any.dev.example.com",
	} {
		environment(t, map[string]string{"COOKIE_DOMAIN": "example.com", "ACCESS_RULES": someRules + "\n*.dev.example.com/ authenticated", "UPSTREAMS": someUpstreams})
		_, out, errOut := command(t, "explain", address, "--user", "kim")
		if !strings.Contains(out, says) || errOut != "" {
			t.Errorf("%s: %s%s", address, out, errOut)
		}
	}
}

func TestExplainOfAPathWithoutARule(t *testing.T) {
	environment(t, map[string]string{"ACCESS_RULES": "/a/ authenticated"})
	if status, out, _ := command(t, "explain", "/b"); status != exitFailed || !strings.Contains(out, "denied: no rule covers this path; add one to DOORWARD_ACCESS_RULES") {
		t.Errorf("status %d, out %s", status, out)
	}
}

func TestExplainTakesALineOfTheAccessLog(t *testing.T) {
	environment(t, map[string]string{"ACCESS_RULES": someRules})
	line := `{"time":"2026-01-02T03:04:05Z","level":"info","event":"request","host":"wiki.example.com","method":"GET","path":"/a","user":"kim","status":403}`
	status, out, errOut := command(t, "explain", line)
	if status != exitOK || !strings.Contains(out, "GET wiki.example.com/a") {
		t.Errorf("status %d, out %q, err %q", status, out, errOut)
	}
	if status, _, _ := command(t, "explain", line, "--user", "lee"); status != exitFailed {
		t.Errorf("with another user: status %d", status)
	}
	for _, broken := range []string{"{", `{"event":"start"}`} {
		if status, _, errOut := command(t, "explain", broken); status != exitUsage || errOut == "" {
			t.Errorf("%s: status %d, err %q", broken, status, errOut)
		}
	}
}

func TestExplainTakesTheAddressOfALogLine(t *testing.T) {
	environment(t, map[string]string{"ACCESS_RULES": someRules})
	line := `{"host":"app.example.com","client_ip":"10.1.2.3","method":"GET","path":"/net/x","user":"kim"}`
	if status, out, _ := command(t, "explain", line); status != exitOK {
		t.Errorf("status %d, out %s", status, out)
	}
	if status, out, _ := command(t, "explain", line, "--ip", "11.1.2.3"); status != exitFailed {
		t.Errorf("with another address: status %d, out %s", status, out)
	}
}

func TestExplainTakesALineOfTheAccessLogAsText(t *testing.T) {
	environment(t, map[string]string{"ACCESS_RULES": someRules + "\n/kim/ user:\"Kim \\ O.\" ip:10.0.0.0/8"})
	line := `time=2026-01-02T03:04:05.678Z level=info event=request request_id=r client_ip=10.1.2.3 host=app.example.com method=GET path="/kim/a=b" rule="GET /x" user="Kim \\ O." status=403`
	status, out, errOut := command(t, "explain", line)
	if status != exitOK || !strings.Contains(out, "GET app.example.com/kim/a=b") {
		t.Errorf("status %d, out %q, err %q", status, out, errOut)
	}
	for _, broken := range []string{"event=start", `method=GET path="/x`, `method=GET path`} {
		if status, _, errOut := command(t, "explain", broken); status != exitUsage || errOut == "" {
			t.Errorf("%s: status %d, err %q", broken, status, errOut)
		}
	}
}

func TestExplainNeedsOnlyTheTables(t *testing.T) {
	environment(t, map[string]string{
		"PUBLIC_URL": unset, "ISSUER_URL": unset, "CLIENT_ID": unset, "CLIENT_SECRET": unset, "COOKIE_SECRETS": unset,
		"ACCESS_RULES": someRules, "SHUTDOWN_DELAY": "30",
	})
	if status, out, errOut := command(t, "explain", "/admin/", "--group", "Admin"); status != exitOK || errOut != "" {
		t.Errorf("status %d, out %q, err %q", status, out, errOut)
	}
}

func TestExplainRefusesBrokenTables(t *testing.T) {
	for _, changes := range []map[string]string{{"ACCESS_RULES": "/ nonsense"}, {"ACCESS_RULES": unset}, {"UPSTREAMS": "ftp://x"}} {
		environment(t, changes)
		if status, _, errOut := command(t, "explain", "/"); status != exitUsage || !strings.Contains(errOut, "DOORWARD_") {
			t.Errorf("%v: status %d, err %q", changes, status, errOut)
		}
	}
}

func TestExplainWrongCommandLines(t *testing.T) {
	environment(t, nil)
	for _, args := range []string{"", "GET", "app.example.com/x", "GET / extra", "/ --ip nowhere", "/ --claim x"} {
		if status, _, errOut := command(t, append([]string{"explain"}, strings.Fields(args)...)...); status != exitUsage || errOut == "" {
			t.Errorf("%q: status %d, err %q", args, status, errOut)
		}
	}
}

func TestExplainWithoutUpstreams(t *testing.T) {
	environment(t, map[string]string{"ACCESS_RULES": someRules, "UPSTREAMS": unset, "FORWARD_AUTH": "caddy", "TRUSTED_PROXIES": "127.0.0.1"})
	if status, out, _ := command(t, "explain", "/admin/", "--group", "Admin"); status != exitOK || !strings.Contains(out, "caddy passes it on") {
		t.Errorf("status %d, out %s", status, out)
	}
	if status, out, _ := command(t, "explain", "/admin/"); status != exitFailed {
		t.Errorf("without the group: status %d, out %s", status, out)
	}
}
