package migrate

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"doorward/proxy/access"
)

// peer is what oauth2-proxy does with a request: isAllowedRequest and Authorize of its 7.15, and its e-mail validator.
type peer struct {
	domains, groups, roles []string
	routes                 []string
	preflight              bool
	provider               string
}

// person is somebody who signs in.
type person struct {
	email      string
	unverified bool // says the provider
	groups     []string
	realm      []string
	ofClient   []string // client "app"
}

func (p peer) options() string {
	list := func(items []string) string {
		var quoted []string
		for _, item := range items {
			quoted = append(quoted, "'"+item+"'")
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	return fmt.Sprintf("client_id = \"app\"\nprovider = %q\nemail_domains = %s\nallowed_groups = %s\nallowed_roles = %s\nskip_auth_routes = %s\nskip_auth_preflight = %v\n",
		p.provider, list(p.domains), list(p.groups), list(p.roles), list(p.routes), p.preflight)
}

// public reports a request that needs no login.
func (p peer) public(method, path string) bool {
	if p.preflight && method == "OPTIONS" {
		return true
	}
	for _, route := range p.routes {
		negated, wanted, expression := strings.Contains(route, "!="), "", route
		if parts := regexp.MustCompile("!?=").Split(route, 2); len(parts) == 2 {
			wanted, expression = strings.ToUpper(parts[0]), parts[1]
		}
		if (wanted == "" || wanted == method) && regexp.MustCompile(expression).MatchString(path) != negated {
			return true
		}
	}
	return false
}

// lets reports a person who may enter.
func (p peer) lets(who person) bool {
	mail := slices.ContainsFunc(p.domains, func(domain string) bool {
		return domain == "*" && who.email != "" || strings.HasSuffix(who.email, "@"+domain) ||
			strings.HasPrefix(domain, ".") && strings.HasSuffix(who.email, domain)
	})
	allowed, has := slices.Clone(p.groups), slices.Clone(who.groups)
	if p.provider == "keycloak-oidc" {
		for _, role := range p.roles {
			allowed = append(allowed, "role:"+role)
		}
		for _, role := range who.realm {
			has = append(has, "role:"+role)
		}
		for _, role := range who.ofClient {
			has = append(has, "role:app:"+role)
		}
	}
	return mail && !who.unverified && (len(allowed) == 0 || slices.ContainsFunc(allowed, func(name string) bool { return slices.Contains(has, name) }))
}

func (who person) subject() *access.Subject {
	list := func(items []string) any {
		var all []any
		for _, item := range items {
			all = append(all, item)
		}
		return all
	}
	vouched := who.email
	if who.unverified {
		vouched = ""
	}
	return &access.Subject{User: "someone", Email: vouched, Groups: who.groups, Claims: map[string]any{
		"email_verified":  !who.unverified,
		"realm_access":    map[string]any{"roles": list(who.realm)},
		"resource_access": map[string]any{"app": map[string]any{"roles": list(who.ofClient)}},
	}}
}

// some picks each of the items now and then.
func some(r *rand.Rand, items ...string) []string {
	var picked []string
	for _, item := range items {
		if r.IntN(4) == 0 {
			picked = append(picked, item)
		}
	}
	return picked
}

// Whatever the configuration, nobody gets anywhere where oauth2-proxy would not let them; and most do who did.
func TestNobodyGetsInWhoDidNot(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	people := []person{
		{email: "ann@example.com", groups: []string{"a"}}, {email: "bob@example.com"}, {email: "cat@sub.example.com", groups: []string{"a", "b"}},
		{email: "una@example.com", unverified: true, groups: []string{"a"}}, {email: "ulf@example.org", unverified: true},
		{email: "dan@example.org", realm: []string{"admin"}}, {email: "eve@example.org", ofClient: []string{"dev"}, groups: []string{"role:admin"}}, {email: "fay@notexample.com", groups: []string{"b", "c d"}},
	}
	paths := []string{"/", "/health", "/health/", "/healthy", "/api", "/api/", "/api/x", "/api/x/y", "/v1", "/v2/", "/static/a.css", "/x/health", "/u/ann", "/u/ann/photo", "/favicon.ico"}
	same, stricter := 0, 0
	for range 300 {
		p := peer{
			domains: append(some(r, "*", "example.com", "example.org", ".example.com"), "example.com"), groups: some(r, "a", "b", "c d"), roles: some(r, "admin", "app:dev", "a b"),
			routes: some(r, "^/health$", "GET=^/api/", "^/api", "post=^/api/x$", "!=^/api/", "GET!=^/api/", "/health", "^/v[12]/?$", "^/static/.*\\.css$", "^/u/[^/]+$",
				"^/u/[^/]+/photo", "^/favicon.ico$", "(?i)^/API/X$", "^/(health|api)/", "^/.+$", "^/api/.+"),
			preflight: r.IntN(4) == 0, provider: []string{"oidc", "keycloak-oidc"}[r.IntN(2)],
		}
		policy, err := access.Compile(translateText(t, p.options()).value("ACCESS_RULES"), []access.Upstream{{Pattern: "/"}})
		if err != nil {
			t.Fatalf("%v\n%s", err, p.options())
		}
		for _, path := range paths {
			method := []string{"GET", "POST", "OPTIONS"}[r.IntN(3)]
			route, err := policy.Route(method, "app.example.com", path)
			if err != nil {
				t.Fatal(err)
			}
			for _, who := range people {
				theirs := p.public(method, path) || p.lets(who)
				ours := route.Access() == access.Public || route.Access() == access.Restricted && route.Check(who.subject()) == nil
				switch {
				case ours && !theirs, route.Access() == access.Public && !p.public(method, path):
					t.Fatalf("%s %s of %+v: allowed, and was not\n%s\n%s", method, path, who, p.options(), route.Rule())
				case ours == theirs:
					same++
				default:
					stricter++
				}
			}
		}
	}
	if same < 10*stricter {
		t.Errorf("%d decisions are the same, %d are stricter", same, stricter)
	}
}
