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
		{"http://10.0.0.7:4180/oauth2/healthz", exitOK, []string{"doorward itself"}},
		{"http://10.0.0.7:4180/oauth2/userinfo", exitFailed, []string{"421"}},
		{"http://10.0.0.7:4180/oauth2/auth", exitOK, []string{"doorward itself"}},
		{"http://10.0.0.7:4180/oauth2/auth/x", exitOK, []string{"doorward itself"}},
		{"https://app.example.com:99999/status", exitFailed, []string{"neither a name nor an address (421)"}},
		{"//a|b", exitFailed, []string{"http://app:8080 is not sent this path", "(400)"}},
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

// A row a line: what is said of then and now.
func TestExplainSaysWhetherALineWouldBeDecidedAsThen(t *testing.T) {
	rules := someRules + "\nCOPY /copies/ deny\n*.dev.example.com/ group:Dev\nMOVE /open/ public\n/mine/ user:kim\n/inside/ ip:10.0.0.0/8 | user:lee\n/few/ !group:Guests"
	const head = `{"time":"2026-01-02T03:04:05Z","level":"info","event":"request","client_ip":"10.1.2.3","host":"app.example.com","method":"GET",`
	toMove := strings.Replace(head, "GET", "MOVE", 1)
	for _, c := range []struct {
		name, line string
		flags      string
		status     int
		says       []string
	}{
		{"as then", head + `"path":"/mine/x","rule":"/mine/","outcome":"forwarded","user":"kim","status":200}`, "", exitOK,
			[]string{"then      forwarded (200) by the rule /mine/ for kim at 2026-01-02T03:04:05Z", "changed   no: decided as then"}},
		{"denied as then", head + `"path":"/mine/x","rule":"/mine/","outcome":"denied","reason":"user","user":"lee","status":403}`, "", exitFailed,
			[]string{"then      denied, user (403)", "changed   no"}},
		{"now allowed", head + `"path":"/mine/x","rule":"/mine/","outcome":"denied","reason":"user","user":"kim","status":403}`, "", exitOK,
			[]string{"changed   yes: the request was denied and would be allowed"}},
		{"now denied", head + `"path":"/mine/x","rule":"/mine/","outcome":"forwarded","user":"lee","status":200}`, "", exitFailed,
			[]string{"changed   yes: the request was allowed and would be denied"}},
		{"another rule", head + `"path":"/mine/x","rule":"/","outcome":"forwarded","user":"lee","status":200}`, "", exitFailed,
			[]string{"changed   yes: the rule was / and is /mine/; the request was allowed and would be denied"}},
		{"another rule, the same answer", head + `"path":"/mine/x","rule":"/","outcome":"forwarded","user":"kim","status":200}`, "", exitOK,
			[]string{"changed   yes: the rule was / and is /mine/\n"}},
		{"groups are not in the log", head + `"path":"/admin/","rule":"/admin/","outcome":"forwarded","user":"kim","status":200}`, "", exitFailed,
			[]string{"cannot be told: the rule /admin/ asks for group:Admin", "--group", "changed   cannot be told; the rule is the same"}},
		{"nor is their lack", head + `"path":"/few/","rule":"/few/","outcome":"forwarded","user":"kim","status":200}`, "", exitFailed, []string{"changed   cannot be told"}},
		{"but flags can say it", head + `"path":"/admin/","rule":"/admin/","outcome":"forwarded","user":"kim","status":200}`, "--group Admin", exitOK, []string{"changed   no"}},
		{"and that it is another", head + `"path":"/admin/","rule":"/admin/","outcome":"forwarded","user":"kim","status":200}`, "--group Dev", exitFailed, []string{"changed   yes: the request was allowed and would be denied"}},
		{"claims neither", head + `"path":"/roles/","rule":"/roles/","outcome":"denied","user":"kim","status":403}`, "", exitFailed, []string{"changed   cannot be told"}},
		{"nor e-mail", head + `"path":"/mail/","rule":"/mail/","outcome":"forwarded","user":"kim","status":200}`, "", exitFailed, []string{"changed   cannot be told"}},
		{"nor how they signed in", head + `"path":"/safe/x","rule":"/safe/","outcome":"step_up","user":"kim","status":303}`, "", exitFailed, []string{"changed   cannot be told"}},
		{"nor when", head + `"path":"/strong/","rule":"/strong/","outcome":"step_up","user":"kim","status":303}`, "--acr mfa", exitFailed, []string{"not older than 15m", "changed   cannot be told"}},
		{"nobody", head + `"path":"/a","rule":"/","outcome":"login","status":303}`, "", exitFailed, []string{"nobody was signed in", "changed   no"}},
		{"nobody, and now public", head + `"path":"/status","rule":"/","outcome":"unauthenticated","status":401}`, "", exitOK, []string{"changed   yes: the rule was / and is GET /status; the request was asked to sign in and would be allowed"}},
		{"with an Authorization of its own", head + `"path":"/git/x","rule":"/git/","outcome":"forwarded","status":200}`, "", exitOK, []string{"changed   no"}},
		{"nobody knows that one", head + `"path":"/git/x","rule":"/git/","outcome":"unauthenticated","status":401}`, "", exitFailed, []string{"changed   no"}},
		{"ambiguous", head + `"path":"/x/..%2fadmin/","rule":"none","outcome":"ambiguous_path","reason":"ambiguous_path","status":400}`, "", exitFailed, []string{"changed   no"}},
		{"another host", `{"event":"request","host":"other.example.com","method":"GET","path":"/","rule":"none","outcome":"unknown_host","status":421}`, "", exitFailed, []string{"421", "changed   no"}},
		{"a host that is none", `{"event":"request","host":"a$b.dev.example.com","method":"GET","path":"/","rule":"none","outcome":"unknown_host","status":421}`, "", exitFailed, []string{"421", "changed   no"}},
		{"no host", `{"event":"request","host":"","method":"GET","path":"/","rule":"none","outcome":"unknown_host","status":421}`, "", exitFailed, []string{"421", "changed   no"}},
		{"a question that was refused", `{"event":"request","host":"doorward:4180","method":"GET","path":"/oauth2/auth","rule":"/oauth2/","outcome":"forward_auth_refused","status":403}`, "", exitOK, []string{"changed   no"}},
		{"a copy to where nobody may", toMove + `"path":"/open/x","rule":"/closed/","outcome":"denied","status":403}`, "", exitOK, []string{"changed   cannot be told", "Destination"}},
		{"a copy to where people sign in", toMove + `"path":"/open/x","rule":"MOVE /open/","outcome":"unauthenticated","status":401}`, "", exitOK, []string{"changed   cannot be told"}},
		{"a copy that passed", toMove + `"path":"/open/x","rule":"MOVE /open/","outcome":"forwarded","status":200}`, "", exitOK, []string{"changed   cannot be told"}},
		{"a copy that passed by another rule", toMove + `"path":"/open/x","rule":"/","outcome":"forwarded","user":"kim","status":200}`, "", exitOK, []string{"changed   yes: the rule was / and is MOVE /open/"}},
		{"a copy from where nobody may", toMove + `"path":"/closed/x","rule":"/closed/","outcome":"denied","status":403}`, "", exitFailed, []string{"changed   no"}},
		{"our own", head + `"path":"/oauth2/userinfo","rule":"/oauth2/","outcome":"userinfo","user":"kim","status":200}`, "", exitOK, []string{"changed   no: answered by doorward itself, whatever the rules say"}},
		{"the end of a login", head + `"path":"/oauth2/callback","rule":"/oauth2/","outcome":"login","user":"kim","status":303}`, "", exitOK, []string{"changed   no"}},
		{"our own, not so then", head + `"path":"/oauth2/x","rule":"/","outcome":"denied","user":"kim","status":403}`, "", exitOK, []string{"changed   yes: the rule was / and is /oauth2/; the request was denied and would be answered by doorward itself"}},
		{"the upstream failed", head + `"path":"/a","rule":"/","outcome":"upstream_error","user":"kim","status":502}`, "", exitOK, []string{"changed   no"}},
		{"behind docker compose's name", `doorward-1  | ` + head + `"path":"/mine/x","rule":"/mine/","outcome":"forwarded","user":"kim","status":200}`, "", exitOK, []string{"changed   no"}},
		{"behind kubectl's time", `2026-01-02T03:04:05.6Z time=2026-01-02T03:04:05.678Z level=info event=request host=app.example.com method=GET path=/mine/x rule=/mine/ outcome=forwarded user=kim status=200`, "", exitOK,
			[]string{"then      forwarded (200) by the rule /mine/ for kim", "changed   no"}},
		{"a pattern with a method, as text", `time=2026-01-02T03:04:05.678Z level=info event=request host=app.example.com method=GET path=/status rule="GET /status" outcome=forwarded status=200`, "", exitOK, []string{"changed   no"}},
		{"a path that was not sent", head + `"path":"//a|b","rule":"/","outcome":"bad_path","user":"kim","status":400}`, "", exitFailed, []string{"changed   no"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, map[string]string{"ACCESS_RULES": rules, "UPSTREAMS": someUpstreams})
			status, out, errOut := command(t, append([]string{"explain", c.line}, strings.Fields(c.flags)...)...)
			if status != c.status || errOut != "" {
				t.Errorf("status %d, want %d; err %q", status, c.status, errOut)
			}
			for _, want := range c.says {
				if !strings.Contains(out, want) {
					t.Errorf("%q is missing in\n%s", want, out)
				}
			}
		})
	}
}

// What comes with an Authorization of its own passes the rule, also where nothing of it is sent on.
func TestExplainOfALineThatBroughtItsOwnAuthorizationAndWentNowhere(t *testing.T) {
	environment(t, map[string]string{"ACCESS_RULES": "/ upstream-auth", "UPSTREAMS": "/api/ http://api:9000 strip=/api"})
	const head = `{"event":"request","host":"app.example.com","method":"GET",`
	for _, line := range []string{
		head + `"path":"/git/x","rule":"/","outcome":"no_upstream","status":404}`,
		head + `"path":"/%61pi/x","rule":"/","outcome":"bad_path","status":400}`,
		head + `"path":"/git/x","rule":"/","outcome":"unauthenticated","status":401}`,
	} {
		if _, out, _ := command(t, "explain", line); !strings.Contains(out, "changed   no") {
			t.Errorf("%s:\n%s", line, out)
		}
	}
}

// What the server in front passed on never came to an upstream of doorward's own, which would not take it.
func TestExplainOfALineAboutAQuestionOfTheServerInFront(t *testing.T) {
	environment(t, map[string]string{"ACCESS_RULES": "/ public", "UPSTREAMS": "/api/ http://api:9000 strip=/api", "FORWARD_AUTH": "traefik", "TRUSTED_PROXIES": "private"})
	line := `{"event":"request","host":"app.example.com","method":"GET","path":"/%61pi/x","rule":"/","outcome":"forward_auth","status":202}`
	if status, out, _ := command(t, "explain", line); status != exitOK || !strings.Contains(out, "traefik passes it on") || !strings.Contains(out, "changed   no") {
		t.Errorf("status %d:\n%s", status, out)
	}
}

// Several lines come from standard input, or in one argument. A request that has an event of its own besides is explained once, and what is
// about no request is passed over.
func TestExplainTakesSeveralLines(t *testing.T) {
	environment(t, map[string]string{"ACCESS_RULES": someRules})
	lines := `{"time":"2026-01-02T03:04:05Z","event":"start","version":"1"}
{"time":"2026-01-02T03:04:05Z","event":"denied","request_id":"r1","host":"wiki.example.com","method":"GET","path":"/a","rule":"wiki.example.com/","reason":"user","user":"lee"}
{"time":"2026-01-02T03:04:06Z","event":"request","request_id":"r1","host":"wiki.example.com","method":"GET","path":"/a","rule":"wiki.example.com/","outcome":"denied","reason":"user","user":"lee","status":403}

{"time":"2026-01-02T03:04:07Z","event":"request","request_id":"r2","host":"app.example.com","method":"GET","path":"/closed/","rule":"/","outcome":"forwarded","user":"lee","status":200}
{"time":"2026-01-02T03:04:08Z","event":"request","request_id":"r3","host":"app.example.com","method":"GET","path":"/admin/","rule":"/admin/","outcome":"forwarded","user":"kim","status":200}
time=2026-01-02T03:04:09Z event=request request_id=r4 host=app.example.com method=GET path=/status rule="GET /status" outcome=forwarded status=200
nothing that doorward writes
`
	explained := func(in string, args ...string) (int, string, string) {
		var out, errOut strings.Builder
		status := explain(args, strings.NewReader(in), &out, &errOut)
		return status, out.String(), errOut.String()
	}
	for name, run := range map[string]func() (int, string, string){
		"standard input": func() (int, string, string) { return explained(lines, "-") },
		"an argument":    func() (int, string, string) { return explained("", lines) },
	} {
		status, out, errOut := run()
		if status != exitFailed || errOut != "" || strings.Count(out, "request   GET") != 4 || strings.Count(out, "wiki.example.com/a\n") != 1 {
			t.Errorf("%s: status %d, err %q, out\n%s", name, status, errOut, out)
		}
		if want := "\n4 requests: 2 decided as then, 1 otherwise, 1 cannot be told; passed over, since they are about none: 2 lines\n"; !strings.HasSuffix(out, want) {
			t.Errorf("%s: %q is missing in\n%s", name, want, out)
		}
	}
	if status, _, errOut := explained("nothing\nat all\n", "-"); status != exitUsage || !strings.Contains(errOut, "no line of it is about a request") {
		t.Errorf("status %d, err %q", status, errOut)
	}
}

// Whoever made a request chose some of what is in its line.
func TestExplainWritesNothingThatATerminalObeys(t *testing.T) {
	environment(t, nil)
	_, out, _ := command(t, "explain", `{"method":"GET","path":"/\u001b]0;x\u0007\u009b2J","user":"k\u001b[2Jim","outcome":"forwarded\u202e"}`)
	if !strings.Contains(out, "k\ufffd[2Jim") || strings.ContainsAny(out, "\x1b\x07\u009b\u202e") {
		t.Errorf("%q", out)
	}
}

// Rules are about whole paths: a line that keeps a part alone, or none, explains nothing.
func TestExplainRefusesLinesWithoutTheWholePath(t *testing.T) {
	environment(t, nil)
	for path, says := range map[string]string{"-": "no path", "/" + strings.Repeat("x", 511) + "…": "longer than the log keeps"} {
		if status, _, errOut := command(t, "explain", `{"method":"GET","path":"`+path+`"}`); status != exitUsage || !strings.Contains(errOut, says) {
			t.Errorf("status %d, err %q", status, errOut)
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

// Certificates of upstreams are on the machine where doorward runs.
func TestExplainNeedsNoFilesOfUpstreams(t *testing.T) {
	environment(t, map[string]string{"ACCESS_RULES": "/ authenticated", "UPSTREAMS": "https://app ca=/none/ca.pem"})
	if status, out, errOut := command(t, "explain", "/x"); status != exitOK || !strings.Contains(out, "https://app as /x") {
		t.Errorf("status %d: %s%s", status, out, errOut)
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
	for _, args := range []string{"", "GET", "app.example.com/x", "GET / extra", "/admin/ /status", "https://app.example.com/ /", "/ --ip nowhere", "/ --claim x"} {
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
