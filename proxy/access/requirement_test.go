package access

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func alice() *Subject {
	return &Subject{
		User: "alice", Email: "Alice@Example.com", Groups: []string{"Admin", "Site Reliability", "a,b"},
		Claims: map[string]any{
			"department": "audit", "roles": []any{"dev", 7.0, true}, "level": 3.0, "big": json.Number("12345678901234567890"), "vip": true,
			"realm_access.roles": []string{"editor"}, "nothing": nil, "object": map[string]any{"a": "b"}, "empty": "",
			"https://x.example/role": "owner", "preferred_username": "alice",
		},
		ACR: "mfa", AuthTime: time.Unix(1000, 0), IP: netip.MustParseAddr("10.1.2.3"), Now: time.Unix(1600, 0),
	}
}

func TestRequirements(t *testing.T) {
	for _, c := range []struct{ requirement, reason string }{
		{"authenticated", ""},
		{"public", ""},
		{"upstream-auth", ""},
		{"upstream-auth challenge:basic", ""},
		{"deny", "deny"},
		{"group:Admin", ""},
		{"group:admin", "group"},
		{"group:Dev,Admin", ""},
		{"group:Dev", "group"},
		{`group:"Site Reliability"`, ""},
		{`group:Site" "Reliability`, ""},
		{`group:"a,b"`, ""},
		{"group:a,b", "group"},
		{"group:b", "group"},
		{"!group:Dev", ""},
		{"!group:Admin", "negated"},
		{"!group:Dev,Admin", "negated"},
		{"group:Admin !group:Dev", ""},
		{"group:Dev | group:Admin", ""},
		{"group:Dev|group:Admin", ""},
		{"group:Dev group:Admin | user:bob", "group"},
		{"user:alice", ""},
		{"user:Alice", "user"},
		{"user:bob | acr:none", "user"},
		{"user:bob | group:Dev", "group"},
		{"acr:none group:Dev", "group"},
		{"acr:none !group:Admin", "acr"},
		{"email:alice@example.com", ""},
		{"email:ALICE@EXAMPLE.COM", ""},
		{"email:bob@example.com,*@example.com", ""},
		{"email:*@example.com", ""},
		{"email:*@ample.com", "email"},
		{"email:*@com", "email"},
		{`email:"*@example.com"`, "email"},
		{"!email:*@example.com", "negated"},
		{"!email:*@example.org", ""},
		{"claim:department=audit", ""},
		{"claim:department=Audit", "claim"},
		{"claim:department=sales,audit", ""},
		{"claim:roles=dev", ""},
		{"claim:roles=7", ""},
		{"claim:roles=true", ""},
		{"claim:roles=[dev]", "claim"},
		{"claim:level=3", ""},
		{"claim:level=3.0", "claim"},
		{"claim:big=12345678901234567890", ""},
		{"claim:vip=true", ""},
		{"claim:vip=1", "claim"},
		{"claim:realm_access.roles=editor", ""},
		{`claim:"https://x.example/role"=owner`, ""},
		{"claim:missing=x", "claim"},
		{"claim:nothing=null", "claim"},
		{"claim:object=b", "claim"},
		{"!claim:missing=x", ""},
		{"!claim:department=audit", "negated"},
		{"acr:mfa", ""},
		{"acr:other,mfa", ""},
		{"acr:MFA", "acr"},
		{"!acr:mfa", "negated"},
		{"max-age:10m", ""},
		{"max-age:9m59s", "max-age"},
		{"ip:10.0.0.0/8", ""},
		{"ip:10.1.2.3", ""},
		{"ip:192.168.0.0/16,10.1.0.0/16", ""},
		{"ip:192.168.0.0/16", "ip"},
		{"!ip:192.168.0.0/16", ""},
		{"!ip:10.0.0.0/8", "negated"},
		{"ip:2001:db8::/32", "ip"},
	} {
		t.Run(c.requirement, func(t *testing.T) { checkReason(t, "/x/", c.requirement, "/x/", alice(), c.reason) })
	}
}

// checkReason asks one rule about a person; an empty reason means that they may pass.
func checkReason(t *testing.T, pattern, requirement, path string, s *Subject, want string) {
	t.Helper()
	route, err := compile(t, pattern+" "+requirement, Upstream{Paths: []string{"case-sensitive"}}).Route("GET", "h", path)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	if refusal := route.Check(s); refusal != nil {
		got = refusal.Reason
		if want == "" {
			t.Errorf("refused for %q", got)
		}
		if refusal.Asks != requirement || refusal.Rule != pattern {
			t.Errorf("refusal of %q asks %q", refusal.Rule, refusal.Asks)
		}
	}
	if got != want {
		t.Errorf("reason %q, want %q", got, want)
	}
}

func TestRequirementsOfNobody(t *testing.T) {
	for _, c := range []struct{ requirement, reason string }{
		{"authenticated", ""},
		{"group:Admin", "group"},
		{"!group:Admin", ""},
		{"user:alice", "user"},
		{"!user:alice", "negated"},
		{"email:*@example.com", "email"},
		{"!email:*@example.com", "negated"},
		{"claim:a=b", "claim"},
		{"!claim:a=b", ""},
		{"acr:x", "acr"},
		{"!acr:x", ""},
		{"max-age:1000000h", "max-age"},
		{"ip:0.0.0.0/0,::/0", "ip"},
		{"!ip:10.0.0.0/8", "negated"},
	} {
		t.Run(c.requirement, func(t *testing.T) { checkReason(t, "/x/", c.requirement, "/x/", &Subject{}, c.reason) })
	}
}

// What the provider left out, a person is known neither to have nor not to have.
func TestRequirementsOfSomebodyOfWhomNotAllIsKnown(t *testing.T) {
	s := &Subject{GroupsUnknown: true, Claims: map[string]any{"team": nil, "with_null": []any{"blue", nil}}}
	for _, c := range []struct{ requirement, reason string }{
		{"group:Admin", "group"},
		{"!group:Admin", "negated"},
		{"claim:team=red", "claim"},
		{"!claim:team=red", "negated"},
		{"!claim:other=red", ""},
		{"!claim:with_null=red", ""},
	} {
		t.Run(c.requirement, func(t *testing.T) { checkReason(t, "/x/", c.requirement, "/x/", s, c.reason) })
	}
}

// What a claim of another shape says cannot be compared: it is neither the value nor known to be another.
func TestClaimsOfOtherShapes(t *testing.T) {
	for _, value := range []any{
		map[string]any{"name": "blue"}, []any{[]any{"blue"}}, []any{map[string]any{"name": "blue"}}, []any{"red", []any{}},
	} {
		s := &Subject{Claims: map[string]any{"team": value}}
		for _, c := range []struct{ requirement, reason string }{{"claim:team=blue", "claim"}, {"!claim:team=blue", "negated"}} {
			t.Run(fmt.Sprint(c.requirement, " of ", value), func(t *testing.T) { checkReason(t, "/x/", c.requirement, "/x/", s, c.reason) })
		}
	}
}

func TestEmptyValuesNeverMatch(t *testing.T) {
	s := &Subject{Groups: []string{"", " "}, Claims: map[string]any{"c": "", "d": []any{""}}}
	for _, requirement := range []string{"group:{rest}", "user:{rest}", "claim:c={rest}", "claim:d={rest}"} {
		route, err := compile(t, "/x/{rest...} "+requirement).Route("GET", "h", "/x/")
		if err != nil {
			t.Fatal(err)
		}
		if route.Check(s) == nil {
			t.Errorf("%s: nothing equals nothing", requirement)
		}
	}
}

func TestEmails(t *testing.T) {
	for _, c := range []struct {
		email   string
		allowed bool
	}{
		{"a@corp.com", true},
		{"A@CORP.COM", true},
		{"a@evil.com@corp.com", false},
		{"a@corp.com@evil.com", false},
		{"a@corp.com.evil.com", false},
		{"a@evilcorp.com", false},
		{"a@sub.corp.com", false},
		{"a@corp.com.", false},
		{"a@corp。com", false},
		{"a@\u212aorp.com", false},
		{"@corp.com", false},
		{"corp.com", false},
		{"a@", false},
		{"", false},
		{`"x@evil.com"@corp.com`, false},
	} {
		route, err := compile(t, "/ email:*@corp.com").Route("GET", "h", "/")
		if err != nil {
			t.Fatal(err)
		}
		if allowed := route.Check(&Subject{Email: c.email}) == nil; allowed != c.allowed {
			t.Errorf("%q: allowed %v, want %v", c.email, allowed, c.allowed)
		}
	}
}

func TestWildcardsInValues(t *testing.T) {
	for _, c := range []struct{ pattern, requirement, path, reason string }{
		{"/user/{name}/", "claim:preferred_username={name}", "/user/alice/x", ""},
		{"/user/{name}/", "claim:preferred_username={name}", "/user/alice", ""},
		{"/user/{name}/", "claim:preferred_username={name}", "/user/%61lice/", ""},
		{"/user/{name}/", "claim:preferred_username={name}", "/user/bob/", "claim"},
		{"/user/{name}/", "claim:preferred_username={name}", "/user/Alice/", "claim"},
		{"/user/{name}/", "claim:preferred_username=bob,{name}", "/user/alice/", ""},
		{"/user/{name}/", `claim:preferred_username="{name}"`, "/user/alice/", "claim"},
		{"/{a}/{b}", "user:{a} claim:department={b}", "/alice/audit", ""},
		{"/{a}/{b}", "user:{b} claim:department={a}", "/alice/audit", "user"},
		{"/team/{team}/", "group:{team}", "/team/Admin/", ""},
		{"/team/{team}/", "group:Site{blank}Reliability", "", "problem"},
		{"/team/{team}/", `group:"Site "{team}`, "/team/Reliability/", ""},
		{"/f/{path...}", "claim:department={path}", "/f/audit", ""},
		{"/f/{path...}", "claim:department={path}", "/f/audit/x", "claim"},
	} {
		t.Run(c.requirement+" "+c.path, func(t *testing.T) {
			if c.reason != "problem" {
				checkReason(t, c.pattern, c.requirement, c.path, alice(), c.reason)
			} else if _, err := Compile(c.pattern+" "+c.requirement, nil); err == nil {
				t.Error("an unknown wildcard is accepted")
			}
		})
	}
}

func TestLoginInTheFuture(t *testing.T) {
	s := alice()
	s.AuthTime = s.Now.Add(4 * time.Minute)
	checkReason(t, "/", "max-age:1m", "/", s, "")
	s.AuthTime = s.Now.Add(6 * time.Minute)
	checkReason(t, "/", "max-age:1m", "/", s, "max-age")
}

func TestMappedAddress(t *testing.T) {
	s := alice()
	s.IP = netip.MustParseAddr("::ffff:10.1.2.3")
	checkReason(t, "/", "ip:10.0.0.0/8", "/", s, "")
	s.IP = netip.MustParseAddr("fe80::1%eth0")
	checkReason(t, "/", "ip:fe80::/10", "/", s, "")
}

func TestRefusalSaysThatGroupsAreMissing(t *testing.T) {
	for _, c := range []struct {
		requirement string
		groups      []string
		want        bool
	}{
		{"group:Admin", nil, true},
		{"group:Admin", []string{"Dev"}, false},
		{"group:Admin | user:bob", nil, true},
		{"user:bob", nil, false},
	} {
		route, _ := compile(t, "/ "+c.requirement).Route("GET", "h", "/")
		if refusal := route.Check(&Subject{Groups: c.groups}); refusal.NeedsGroups != c.want {
			t.Errorf("%s with %q: %v, want %v", c.requirement, c.groups, refusal.NeedsGroups, c.want)
		}
	}
}

func TestRouteOfRequirement(t *testing.T) {
	p := compile(t, `
GET   /git/   challenge:basic   upstream-auth
/other/ upstream-auth
/g/ group:A !group:"b  c"
/p/ public
"/odd:" public`)
	for _, c := range []struct {
		path, rule, requirement string
		access                  Access
		basic                   bool
	}{
		{"/git/x", "GET /git/", "challenge:basic upstream-auth", UpstreamAuth, true},
		{"/other", "/other/", "upstream-auth", UpstreamAuth, false},
		{"/g/", "/g/", `group:A !group:"b  c"`, Restricted, false},
		{"/p", "/p/", "public", Public, false},
		{"/odd:", `"/odd:"`, "public", Public, false},
		{"/none", "none", "", Deny, false},
	} {
		r, err := p.Route("GET", "h", c.path)
		if err != nil {
			t.Fatal(err)
		}
		if r.Rule() != c.rule || r.Requirement() != c.requirement || r.Access() != c.access || r.ChallengeBasic() != c.basic {
			t.Errorf("%s: %q %q %v %v", c.path, r.Rule(), r.Requirement(), r.Access(), r.ChallengeBasic())
		}
	}
}

func TestProblems(t *testing.T) {
	for _, c := range []struct{ rules, want string }{
		{"", "has no rule"},
		{"# only a comment", "has no rule"},
		{"/", "has no requirement"},
		{"GET", "has no path"},
		{"GET public", "has no path"},
		{"get / public", "write GET"},
		{"admin group:A", "begin the path with a slash"},
		{"/ authenticated, /admin/ group:A", "a semicolon between two"},
		{"/ group:Dev /admin/ group:A", "a semicolon between two"},
		{"GET,,POST / public", "empty item"},
		{"GET,GET / public", "twice"},
		{"^admin public", "neither a method nor a pattern"},
		{"^/admin public", "where a host or a path should begin"},
		{"h:80/ public", "write h alone"},
		{"https://h/ public", "has a scheme"},
		{"h*/ public", "star within its host"},
		{"*/ public", "star within its host"},
		{"a.*.b/ public", "star within its host"},
		{"bücher.example/ public", "punycode"},
		{"[127.0.0.1]/ public", "write an IPv6 address"},
		{"*.[::1]/ public", "write an IPv6 address"},
		{"[fe80::1]]/ public", "write an IPv6 address"},
		{"-.. / public", "neither a method"},
		{"- /admin/ group:a", "neither a method"},
		{"/x?y public", "query"},
		{"/x#y public", "fragment"},
		{"/a%20b public", "percent-encoded"},
		{"/api/* public", "write a slash at the end"},
		{`/a\b public`, `'\\'`},
		{`"/a;b" public`, "';'"},
		{"/a//b public", "empty segment"},
		{"//a public", "empty segment"},
		{"/a/../b public", "dot segment"},
		{"/a/. public", "dot segment"},
		{"/a./b public", "ends in a dot"},
		{"/a{b} public", "braces within"},
		{"/{a public", "braces within"},
		{"/{} public", "without a proper name"},
		{"/{1a} public", "without a proper name"},
		{"/{a}/{a} public", "two wildcards"},
		{"/{a...}/b public", "before its end"},
		{"/{$}/b public", "before its end"},
		{`"/{a}" public`, "within quotation marks"},
		{"/ group:", "without a value"},
		{"/ group", "without a value"},
		{"/ group:,", "empty value"},
		{"/ group:a,", "empty value"},
		{`/ group:""`, "empty value"},
		{`/ group:" "`, "empty value"},
		{`/ ""`, "unknown requirement"},
		{"/ groups:a", "write group:NAME"},
		{"/ Group:a", "write group:NAME"},
		{"/ role:a", "unknown requirement"},
		{"/ group:a or group:b", "write | in its place"},
		{"/ group:a AND group:b", "leave it out: of what stands"},
		{"/ group:a && group:b", "leave it out: of what stands"},
		{"/ group=a", "write group:NAME"},
		{"/ !Groups=a", "write group:NAME"},
		{"/ group:a, group:b", "the next value right behind it"},
		{"/admin/: group:a", "colon behind its path"},
		{"/ group:Site Reliability", `unknown requirement "Reliability"`},
		{"/ group:a # why", "comment on a line of its own"},
		{"/ authenticated # why", "comment on a line of its own"},
		{"/ authenticated /x/ group:a", "each rule on a line of its own"},
		{"/ group:a GET /status public", "each rule on a line of its own"},
		{"/ !group:'a'", `write " in its place`},
		{"/ group:b,`a`", `write " in its place`},
		{"/ claim:x=“a”", `write " in its place`},
		{"/ group:'a,b'", `write " in its place`},
		{"/ group:a |", "nothing on one side"},
		{"/ | group:a", "nothing on one side"},
		{"/ group:a || group:b", "nothing on one side"},
		{"/ ! group:a", "! before nothing"},
		{"/ !!group:a", "unknown requirement"},
		{"/ public group:a", "stands alone"},
		{"/ group:a | deny", "stands alone"},
		{"/ authenticated group:a", "leave it out"},
		{"/ authenticated public", "leave authenticated or all the others out"},
		{"/ authenticated | upstream-auth", "leave authenticated or all the others out"},
		{"/ !public", "negates public"},
		{"/ challenge:basic", "without upstream-auth"},
		{"/ upstream-auth challenge:digest", "has the unknown challenge:digest"},
		{"/ upstream-auth group:a", "stands alone"},
		{"/ group:{x}", "has no wildcard"},
		{"/{y}/ group:{x}", "write {y}"},
		{"/{y...} group:{y...}", "write {y}"},
		{"/{y}/ group:{y", "never closed"},
		{"/{y}/ group:y}", "never opened"},
		{"/{y}/ acr:{y}", "wildcard in acr:"},
		{"/{y}/ email:{y}@x.org", "wildcard in email:"},
		{"/ email:x.org", "no e-mail"},
		{"/ email:@x.org", "no e-mail"},
		{"/ email:a@b@x.org", "no e-mail"},
		{"/ email:*@*.x.org", "no e-mail"},
		{"/ email:a*@x.org", "no e-mail"},
		{"/ claim:a", "without ="},
		{"/ claim:=b", "without a name"},
		{"/ claim:a=", "empty value"},
		{"/ max-age:15", "no time span"},
		{"/ max-age:0s", "no time span"},
		{"/ max-age:-1m", "no time span"},
		{"/ !max-age:1m", "negates max-age"},
		{"/ ip:10.0.0.1/8", "write ip:10.0.0.0/8"},
		{"/ ip:10.0.0", "no network"},
		{"/ ip:::ffff:10.0.0.0/104", "no network"},
		{`/ group:"a`, "never closed"},
		{"/ group:a\u00a0b", "invisible character U+00A0"},
		{"/ group:a\u200b", "invisible character U+200B"},
		{"/a public\n/a deny", `same pattern as "/a" in line 1`},
		{"/{a}/ public\n/{b}/ deny", "same pattern"},
		{"/a/ public\n/a/{rest...} deny", "same pattern"},
		{"GET /a public\nHEAD,GET /a deny", "same pattern"},
		{"H.example./ public\nh.example/ deny", "same pattern"},
	} {
		t.Run(c.rules, func(t *testing.T) {
			_, err := Compile(c.rules, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := Compile("/a\n/b group: role:x\n\n  /c? public", []Upstream{{Pattern: "/x/{a}/"}, {Pattern: "/x/y?"}, {Pattern: "/", Paths: []string{"odd"}}})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`rule "/a" (line 1) has no requirement`, `rule "/b group: role:x" (line 2) has group: without a value`, `(line 2) has the unknown requirement "role:x"`,
		`rule "/c? public" (line 4) has a query`, `upstream pattern "/x/y?" has a query`, `upstream pattern "/" has the unknown paths=odd`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
}

func TestUpstreamProblems(t *testing.T) {
	for _, c := range []struct {
		patterns []string
		want     string
	}{
		{[]string{"GET /"}, "methods"},
		{[]string{"app.example.com"}, "write app.example.com/"},
		{[]string{"/", ""}, "covers the same requests"},
		{[]string{"/{a}/x/", "/y/"}, "neither is more specific"},
		{[]string{"/x/{a}", "/{b}/y"}, "neither is more specific"},
		{[]string{"h:1/"}, "port"},
	} {
		var upstreams []Upstream
		for _, pattern := range c.patterns {
			upstreams = append(upstreams, Upstream{Pattern: pattern})
		}
		if _, err := Compile("/ public", upstreams); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.patterns, err, c.want)
		}
	}
}

func TestUpstreamsThatNeverMeet(t *testing.T) {
	for _, patterns := range [][2]string{{"/{y}/{$}", "/a/{x}"}, {"/{a}/x/", "h/y/"}, {"/x/{a}", "/{b}/y/z"}, {"/a/", "/b/"}, {"*.x/", "*.y.x/"}} {
		if _, err := Compile("/ public", []Upstream{{Pattern: patterns[0]}, {Pattern: patterns[1]}}); err != nil {
			t.Errorf("%q: %v", patterns, err)
		}
	}
}

// A negated term holds where something else is known, and only there.
func TestNegationsOfWhatIsKnown(t *testing.T) {
	for _, c := range []struct{ requirement, reason string }{
		{"!user:bob", ""},
		{"!user:alice", "negated"},
		{"!claim:department=sales", ""},
		{"!claim:department=audit", "negated"},
	} {
		t.Run(c.requirement, func(t *testing.T) { checkReason(t, "/x/", c.requirement, "/x/", alice(), c.reason) })
	}
}

// A rule without conditions lets everybody pass who is signed in: there is no refusal, not even one without a reason.
func TestAuthenticatedIsNoRefusal(t *testing.T) {
	route, err := compile(t, "/ authenticated").Route("GET", "h", "/")
	if err != nil {
		t.Fatal(err)
	}
	if refusal := route.Check(alice()); refusal != nil {
		t.Errorf("refused: %+v", refusal)
	}
}

func TestEmailsAreComparedWithoutLetterCase(t *testing.T) {
	s := alice()
	s.Email = "AZ@EXAMPLE.ORG"
	checkReason(t, "/", "email:az@example.org", "/", s, "")
}

// Names of places and people begin with an apostrophe.
func TestApostropheBeginsAName(t *testing.T) {
	s := alice()
	s.Groups = append(s.Groups, "'s-Gravenhage")
	checkReason(t, "/", "group:'s-Gravenhage", "/", s, "")
	checkReason(t, "/", "group:X,’t", "/", s, "group")
}

// Users are told apart by it, whichever of the two has capital letters: a provider may have both.
func TestUsersAreComparedWithLetterCase(t *testing.T) {
	s := alice()
	s.User = "Alice"
	checkReason(t, "/", "user:alice", "/", s, "user")
	checkReason(t, "/", "user:Alice", "/", s, "")
}
