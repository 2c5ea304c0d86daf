package access

import (
	"errors"
	"strings"
	"testing"
)

// compile is Compile with one upstream for everything.
func compile(t testing.TB, rules string, upstreams ...Upstream) *Policy {
	t.Helper()
	if upstreams == nil {
		upstreams = []Upstream{{Pattern: "/"}}
	}
	p, err := Compile(rules, upstreams)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// routeLabel returns the label of the rule that decides, or what kind of error there was.
func routeLabel(p *Policy, method, host, path string) string {
	r, err := p.Route(method, host, path)
	if ambiguous, ok := errors.AsType[*AmbiguousPathError](err); ok && ambiguous != nil {
		return "ambiguous"
	}
	if err != nil {
		return "malformed"
	}
	return r.Rule()
}

const precedenceRules = `
/                      authenticated
/{$}                   public
GET /                  group:Readers
/docs/                 group:Docs
/docs                  group:Door
GET /docs/             public
HEAD /docs/            deny
/docs/{page}           group:Page
/docs/{page}/edit      group:Edit
/a/{x}/b               group:B
/a/x/{y}               group:Y
/files/{path...}       group:Files
/slash/{$}             group:Slash
/internal/             deny
/internal/health       public
/{tenant}/admin/       group:TenantAdmin
/shop/                 group:Shop
app.example.com/       group:App
app.example.com/x/     group:AppX
POST app.example.com/x/ group:AppPost
*.example.com/         group:Any
*.dev.example.com/     group:Dev
GET,POST *.get.example.com/ group:Get
`

func TestPrecedence(t *testing.T) {
	p := compile(t, precedenceRules)
	for _, c := range []struct{ method, host, path, want string }{
		{"POST", "h", "/x", "/"},
		{"GET", "h", "/x", "GET /"},
		{"HEAD", "h", "/x", "GET /"},
		{"GET", "h", "/", "/{$}"},
		{"POST", "h", "/docs/", "/docs/"},
		{"POST", "h", "/docs", "/docs"},
		{"GET", "h", "/docs", "/docs"},
		{"GET", "h", "/docs/", "GET /docs/"},
		{"HEAD", "h", "/docs/", "HEAD /docs/"},
		{"GET", "h", "/docs/a", "/docs/{page}"},
		{"GET", "h", "/docs/a/", "GET /docs/"},
		{"GET", "h", "/docs/a/edit", "/docs/{page}/edit"},
		{"GET", "h", "/a/x/b", "/a/{x}/b + /a/x/{y}"},
		{"GET", "h", "/a/z/b", "/a/{x}/b"},
		{"GET", "h", "/a/x/c", "/a/x/{y}"},
		{"GET", "h", "/files", "/files/{path...}"},
		{"GET", "h", "/files/", "/files/{path...}"},
		{"GET", "h", "/files/a/b", "/files/{path...}"},
		{"GET", "h", "/filesystem", "GET /"},
		{"GET", "h", "/slash/", "/slash/{$}"},
		{"POST", "h", "/slash", "/"},
		{"GET", "h", "/shop/admin/x", "/{tenant}/admin/ + /shop/"},
		{"GET", "h", "/shop/admin", "/{tenant}/admin/ + /shop/"},
		{"GET", "h", "/y/admin", "/{tenant}/admin/"},
		{"GET", "app.example.com", "/docs/a", "app.example.com/"},
		{"GET", "APP.example.com.:8443", "/x/y", "app.example.com/x/"},
		{"POST", "app.example.com", "/x", "POST app.example.com/x/"},
		{"GET", "b.example.com", "/docs/", "*.example.com/"},
		{"GET", "a.b.example.com", "/", "*.example.com/"},
		{"GET", "dev.example.com", "/", "*.example.com/"},
		{"GET", "a.b.dev.example.com", "/", "*.dev.example.com/"},
		{"POST", "a.get.example.com", "/", "GET,POST *.get.example.com/"},
		{"PUT", "a.get.example.com", "/", "*.example.com/"},
		{"PUT", "example.com", "/x", "/"},
		{"PUT", "evilexample.com", "/x", "/"},
		{"GET", "app.example.com", "/internal/x", "/internal/"},
		{"GET", "app.example.com", "/internal", "/internal/"},
		{"GET", "app.example.com", "/internal/health", "app.example.com/"},
		{"GET", "h", "/internal/health", "/internal/health"},
		{"get", "h", "/x", "/"},
	} {
		t.Run(c.method+" "+c.host+c.path, func(t *testing.T) {
			if got := routeLabel(p, c.method, c.host, c.path); got != c.want {
				t.Errorf("rule %q, want %q", got, c.want)
			}
		})
	}
}

func TestNoRuleDenies(t *testing.T) {
	r, err := compile(t, "/a/ public").Route("GET", "h", "/b")
	if err != nil {
		t.Fatal(err)
	}
	if r.Access() != Deny || r.Rule() != "none" || r.Check(&Subject{}).Reason != "no-rule" {
		t.Errorf("access %v, rule %q", r.Access(), r.Rule())
	}
}

func TestZeroRouteDenies(t *testing.T) {
	var r Route
	if r.Access() != Deny || r.Check(&Subject{}) == nil {
		t.Error("a route without rules lets somebody pass")
	}
}

func TestSeveralRulesAllHold(t *testing.T) {
	p := compile(t, "/{a}/admin/ group:Admin\n/x/ group:X\n/y/ public\n/z/ deny\n/u/ upstream-auth challenge:basic\n/{a}/open/ public")
	for _, c := range []struct {
		path   string
		groups []string
		access Access
		reason string
	}{
		{"/x/admin/", []string{"Admin", "X"}, Restricted, ""},
		{"/x/admin/", []string{"X"}, Restricted, "group"},
		{"/x/admin/", []string{"Admin"}, Restricted, "group"},
		{"/y/admin/", []string{"Admin"}, Restricted, ""},
		{"/y/open/", nil, Public, ""},
		{"/z/open/", nil, Deny, "deny"},
		{"/z/admin/", []string{"Admin"}, Deny, "deny"},
		{"/u/open/", nil, UpstreamAuth, ""},
		{"/u/admin/", []string{"Admin"}, Restricted, ""},
	} {
		r, err := p.Route("GET", "h", c.path)
		if err != nil {
			t.Fatal(err)
		}
		reason := ""
		if refusal := r.Check(&Subject{Groups: c.groups}); refusal != nil {
			reason = refusal.Reason
		}
		if r.Access() != c.access || reason != c.reason {
			t.Errorf("%s with %q: access %v, reason %q; want %v, %q", c.path, c.groups, r.Access(), reason, c.access, c.reason)
		}
	}
}

func TestUpstreams(t *testing.T) {
	p := compile(t, "/ authenticated", Upstream{}, Upstream{Pattern: "/api/"}, Upstream{Pattern: "/api/v1/"},
		Upstream{Pattern: "grafana.example.com/"}, Upstream{Pattern: "*.example.com/x/"})
	for _, c := range []struct {
		host, path string
		want       int
	}{
		{"h", "/", 0}, {"h", "/api", 1}, {"h", "/api/v1", 2}, {"h", "/api/v1/x", 2}, {"h", "/apis", 0},
		{"grafana.example.com", "/api/", 3}, {"grafana.example.com:80", "/x/", 3}, {"b.example.com", "/x/", 4}, {"b.example.com", "/api/", 1},
	} {
		r, err := p.Route("GET", c.host, c.path)
		if err != nil {
			t.Fatal(err)
		}
		if r.Upstream() != c.want {
			t.Errorf("%s%s: upstream %d, want %d", c.host, c.path, r.Upstream(), c.want)
		}
	}
}

func TestNoUpstream(t *testing.T) {
	r, err := compile(t, "/ public", Upstream{Pattern: "/x/"}).Route("GET", "h", "/y")
	if err != nil || r.Upstream() != -1 {
		t.Errorf("upstream %d, %v", r.Upstream(), err)
	}
}

const adminRules = "/ authenticated\n/admin/ group:Admin\n/public/ public"

// spellings of /admin/ that some server reads as such.
func adminSpellings() []string {
	return strings.Fields(`
		/admin /admin/ /admin/x //admin //admin/ ///admin/ /./admin /./admin/ /.//admin/ /x/../admin /x/../admin/ /x/y/../../admin/
		/public/../admin/ /public/..;/admin /public/..;a=b/admin/ /public/;/../admin/ /public;/../admin/ /public/%2e%2e/admin /public/%2E%2E/admin/
		/public/.%2e/admin/ /public/%2e./admin/ /public%2f..%2fadmin /public%2F..%2Fadmin/ /public/..%2fadmin /public/..%252fadmin
		/public/%252e%252e/admin/ /public/%252e%252e%252fadmin/ /public/%25252e%25252e/admin/ /public/..%c0%afadmin/ /public/%c0%ae%c0%ae/admin/
		/public/%e0%80%ae%e0%80%ae/admin/ /public/%f0%80%80%ae./admin/ /public/..%c1%9cadmin/ /public/..%c1%1cadmin/ /public/..%255cadmin
		/public/..%5cadmin/ /public\..\admin /public\..\admin\ /public/..\admin/ \admin /\admin /%5cadmin
		/ADMIN /ADMIN/ /Admin/x /aDmIn /%41DMIN/ /%61dmin/ /%61%64%6d%69%6e/ /%2561dmin/ /%2541dmin
		/admin%00 /admin%00.html /admin%00/ /admin%0a /admin%0d%0aX /admin%09/ /ad%09min/ /ad%0dmin/
		/admin;x=1 /admin;x=1/ /admin;/x /;/admin/ /;x/admin /admin%3bx=1/ /%3badmin/../admin/
		/admin. /admin./ /admin.. /admin%20 /admin%20/ /admin.%20. /admin%2e/ /admin::$INDEX_ALLOCATION /admin:$i30:$INDEX_ALLOCATION/x /admin%3a%3a$DATA
		/admin%2f /admin%2F /%2fadmin /%2Fadmin/ /%2f%2fadmin /admin%3fx /admin/%3fx /admin%23 /admin%23x /admin%253f /admin?x /admin#x
		/(S(x))/admin/ /ad(S(x))min/ /(A(b)F(c))/admin/ /a(s(1))dmin(F(2))/ /ad%E2%80%8Emin/ /admin%EF%B8%8F/ /%E2%93%90dmin/ /%E1%B5%83dmin/ /%F0%9D%90%9Admin/ /adm%E2%85%B0n/ /ad%C2%ADmin/ /%EF%BB%BFadmin/ /adm%E2%80%8Bin/
		/%ef%bc%8fadmin/ /public/%ef%bc%8e%ef%bc%8e/admin/ /%ef%bd%81dmin/ /%ef%bc%a1dmin/ /public%ef%bc%8f..%ef%bc%8fadmin /%e2%80%a5/admin/
		/public/%e2%80%a5%e2%88%95admin/ /public/..%ef%bc%bcadmin/ /%c1%a1dmin/ /%c1%81dmin/ /ad%ffmin/ /ad%c0min/ /adm%c4%b1n/ /ADM%c4%b0N/
		//x/admin/ //x//admin/ /%2fx/admin/ /\x/admin/ /public/../..//admin/ /public//../../admin/ /public/.../../admin/
		/public/..%20/admin/ /public/..%09/admin/ /public/..%00/admin/ /public/.%00./admin/ /public/%20../admin/../../admin/
		/public/x/..%2f..%2fadmin/ /public/x%2f..%2f..%2fadmin/ /public/..%3b/admin/ /public/..%253b/admin/ /public/%2e%2e;/admin/
		/public/..%ef%bc%9b/admin/ /public/%u002e%u002e/admin/ /admin%u002f /public/%2/admin /public/%zz/../admin/ admin http://h/admin/ *`)
}

func TestForbiddenPathBySpelling(t *testing.T) {
	p := compile(t, adminRules)
	for _, path := range adminSpellings() {
		t.Run(path, func(t *testing.T) {
			switch label := routeLabel(p, "GET", "app.example.com", path); label {
			case "/admin/", "ambiguous", "malformed":
			default:
				t.Errorf("decided by %q", label)
			}
		})
	}
}

func TestHarmlessPathsPass(t *testing.T) {
	p := compile(t, adminRules+"\n/projects/{id} group:Dev\n/api/ authenticated")
	for _, c := range []struct{ path, want string }{
		{"/projects/group%2Fproject", "ambiguous"}, // as two segments it is another rule's
		{"/api/v4/projects/group%2Fproject", "/api/"},
		{"/@scope%2fpkg", "/"},
		{"/a//b", "/"},
		{"/a/b//", "/"},
		{"/caf%C3%A9/%E6%97%A5%E6%9C%AC", "/"},
		{"/My%20Documents/a%20b.txt", "/"},
		{"/admin/a%20b%2Fc;v=1/", "/admin/"},
		{"/api/items;color=red/x", "/api/"},
		{"/api/v1/items:cancel", "/api/"},
		{"/public/../public/x", "/public/"},
		{"/public/./x", "/public/"},
		{"/.well-known/x", "/"},
		{"/README.md", "/"},
		{"/100%25", "/"},
		{"/api/$metadata", "/api/"},
		{"/api/~user/!x&y='(*)'+,=@:", "/api/"},
		{"/api/{id}|<x>\"^`", "/api/"},
	} {
		t.Run(c.path, func(t *testing.T) {
			_, err := p.Route("GET", "h", c.path)
			if got := routeLabel(p, "GET", "h", c.path); got != c.want {
				t.Errorf("decided by %q, want %q (%v)", got, c.want, err)
			}
		})
	}
}
