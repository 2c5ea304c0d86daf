package access

import (
	"slices"
	"strings"
	"testing"
)

func TestWhatRulesName(t *testing.T) {
	p := compile(t, `
/            authenticated
/x/{team}/   group:B,"A A",{team} claim:realm.roles=x !group:C | claim:"d e"=y
App.example.com/ group:B
old.example.com/ deny
app.example.com/x deny
*.Dev.example.com/ claim:realm.roles=z`, Upstream{Pattern: "/"}, Upstream{Pattern: "api.example.com/"})
	for _, c := range []struct {
		what      string
		got, want []string
	}{
		{"claims", p.ClaimPaths(), []string{"d e", "realm.roles"}},
		{"groups", p.GroupNames(), []string{"A A", "B", "C"}},
		{"hosts", p.Hosts(), []string{"*.dev.example.com", "api.example.com", "app.example.com", "old.example.com"}},
		{"hosts in use", p.HostsInUse(), []string{"api.example.com", "app.example.com"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s %q, want %q", c.what, c.got, c.want)
		}
	}
	if p.NeedsEmail() || !compile(t, "/ public\n/x user:a | !email:a@b").NeedsEmail() {
		t.Error("needs an e-mail")
	}
	if p.NeedsAddress() || !compile(t, "/ public\n/x user:a | !ip:10.0.0.0/8").NeedsAddress() {
		t.Error("needs an address")
	}
	if !p.NeedsGroups() || compile(t, "/ user:x").NeedsGroups() {
		t.Error("needs groups")
	}
}

func TestServesHost(t *testing.T) {
	p := compile(t, "/ public\napp.example.com/ public\n*.dev.example.com/ public\n[0:0::1]/ public", Upstream{Pattern: "api.example.com/"})
	for host, want := range map[string]bool{
		"app.example.com": true, "APP.example.com.:443": true, "api.example.com": true, "x.dev.example.com": true, "x.y.dev.example.com": true,
		"[::1]:80": true, "dev.example.com": false, "xdev.example.com": false, "other": false, "": false, "app.example.com.evil": false,
		".dev.example.com": false,
	} {
		if got := p.ServesHost(host); got != want {
			t.Errorf("%q: %v, want %v", host, got, want)
		}
	}
}

func TestHostlessDenyHoldsOnEveryHost(t *testing.T) {
	p := compile(t, `
/ deny
/open/ authenticated
/{x}/shut/ deny
GET /read/ deny
h.example/ public
h.example/open/shut/ public
*.example/read/ public`)
	for _, c := range []struct{ method, host, path, want string }{
		{"GET", "h.example", "/", "/"},
		{"GET", "h.example", "/open/x", "h.example/"},
		{"GET", "h.example", "/open/shut/", "/open/ + /{x}/shut/"},
		{"GET", "i.example", "/read/", "GET /read/"},
		{"GET", "i.example", "/other", "/"},
	} {
		r, err := p.Route(c.method, c.host, c.path)
		if err != nil {
			t.Fatal(err)
		}
		if r.Rule() != c.want || (c.want != "h.example/") != (r.Access() == Deny) {
			t.Errorf("%s%s: %q, %v", c.host, c.path, r.Rule(), r.Access())
		}
	}
}

func TestNotes(t *testing.T) {
	for _, c := range []struct{ name, rules, want string }{
		{"overlap", "/{a}/admin/ group:A\n/x/ group:X", `rules "/{a}/admin/" and "/x/" overlap`},
		{"overlapping methods", "GET,POST /x public\nPOST,PUT /x group:A", "overlap"},
		{"other methods", "GET /{a}/b public\nPOST /c/{d} public", ""},
		{"other hosts", "h/{a}/b public\ni/c/{d} public", ""},
		{"letter case", "/Docs/ public\n/docs/ group:A", "letter case alone"},
		{"marks", "/büro/ public\n/bu\u0308ro/ group:A", "the spelling of letters with marks alone"},
		{"closed host", "/admin/ deny\nh/admin/x public", `rule "h/admin/x" never decides: "/admin/" holds on every host`},
		{"host opened again", "/admin/ deny\n/admin/x group:A\nh/admin/x public", ""},
		{"methods taken", "GET /x public\nPOST /x public\nGET,POST /x public", `rule "GET,POST /x" never decides`},
		{"TRACE", "TRACE / public", "never decides"},
		{"no slash", "/ authenticated\n/admin group:A", `rule "/admin" covers that path alone; with a slash behind it "/" decides`},
		{"slash, too", "/ authenticated\n/admin group:A\n/admin/ group:B", `with a slash behind it "/admin/" decides`},
		{"slash, the same", "/ authenticated\n/admin group:A\n/admin/ group:A", ""},
		{"public without slash", "/ authenticated\n/health public", ""},
		{"other methods weaker", "/ authenticated\nPOST /api/ group:W", `rule "POST /api/" guards POST alone; other methods of /api/ are decided by "/"`},
		{"other methods public", "/ group:A\n/api/ public\nPOST /api/x/ authenticated", `are decided by "/api/"`},
		{"other methods open, this too", "/ group:A\nGET /docs/ public", ""},
		{"other methods as strong", "/ group:A\nPOST /api/ group:W", ""},
		{"other methods denied", "/ deny\nPOST /api/ group:W", ""},
		{"other methods without a rule", "POST /api/ group:W", ""},
		{"other methods written out", "/ authenticated\n/api/ authenticated\nPOST /api/ group:W", ""},
		{"other methods of another host", "h/ authenticated\nPOST /api/ group:W", ""},
		{"only forbids", "/ !group:A", "only forbids"},
		{"sane", "/ authenticated\n/{$} public\n/admin/ group:A\nGET /docs/ public", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			notes := strings.Join(compile(t, c.rules).Notes(), "\n")
			if c.want == "" && notes != "" || !strings.Contains(notes, c.want) {
				t.Errorf("notes %q, want %q", notes, c.want)
			}
		})
	}
}

func TestNoteOnUpstreamWithoutSlash(t *testing.T) {
	for _, c := range []struct {
		pattern, other string
		noted          bool
	}{
		{"/api", "/", true}, {"h.a/api", "/api/", true}, {"/api/v1", "/api/", true},
		{"/api/", "/", false}, {"/api", "/api/", false}, {"/api/{$}", "/", false}, {"/{name}", "/{name}/", false},
	} {
		notes := compile(t, "/ public", Upstream{Pattern: c.pattern}, Upstream{Pattern: c.other}).Notes()
		if noted := strings.Contains(strings.Join(notes, "\n"), `upstream pattern "`+c.pattern+`" is for that path alone`); noted != c.noted {
			t.Errorf("%+v: notes %q", c, notes)
		}
	}
}

func TestNoteOnUnservedRule(t *testing.T) {
	p := compile(t, "/x/ public\n/y/ public\nh.a/x public", Upstream{Pattern: "/x/"}, Upstream{Pattern: "*.b/"})
	notes := p.Notes()
	if len(notes) != 0 {
		t.Errorf("notes %q: *.b/ serves /y/", notes)
	}
	p = compile(t, "/x/ public\n/y/ public", Upstream{Pattern: "/x/"})
	if notes := p.Notes(); len(notes) != 1 || !strings.Contains(notes[0], `"/y/" covers nothing`) {
		t.Errorf("notes %q", notes)
	}
}
