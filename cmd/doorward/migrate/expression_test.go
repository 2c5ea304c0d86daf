package migrate

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"doorward/proxy/access"
)

func TestExpressionsThatPatternsCanSay(t *testing.T) {
	for _, c := range []struct {
		expression string
		patterns   string
		asked      string
		exact      bool
	}{
		{"^/health$", "/health", "", true},
		{"^/static/", "/static/", "/static", true},
		{"^/static/.*", "/static/", "/static", true},
		{"^/static/.*$", "/static/", "/static", true},
		{"^/static/.+$", "/static/", "/static /static/{$}", true},
		{"^/static(/.*)?$", "/static /static/", "", true},
		{"^/static(/|$)", "/static /static/", "", true},
		{"^/x/$", "/x/{$}", "", true},
		{"^/$", "/{$}", "", true},
		{"^/(health|ready)$", "/health /ready", "", true},
		{"^/(css|js)/", "/css/ /js/", "/css /js", true},
		{"^/u/[^/]+$", "/u/{s1}", "", true},
		{"^/u/[^/]+", "/u/{s1}/", "", true},
		{"^/u/[^/]*$", "/u/{$} /u/{s1}", "", true},
		{"^/u/[^/]+/photo$", "/u/{s1}/photo", "", true},
		{"^/", "/", "", true},
		{"/", "/", "", true},
		{"", "/", "", true},
		{".*", "/", "", true},
		{"^.*$", "/", "", true},
		{".+", "/", "", true},
		{"^/a$|^/b$", "/a /b", "", true},
		{"^/v[12]/$", "/v1/{$} /v2/{$}", "", true},
		{"^/a?$", "/a /{$}", "", true},
		{"^$", "", "", true},
		{"^health", "", "", true},
		{"$^/x", "", "", true},

		{"^/metrics", "/metrics/", "", false},
		{"/health", "/health/", "", false},
		{".*/health$", "/health", "", false},
		{"^/favicon.ico$", "/favicon.ico", "", false},
		{"(?i)^/Health$", "/health", "", false},
		{"^/x.+", "/x/", "/x", false},
		{"^/a+$", "/a", "", false},
		{"^/a(b)*$", "/a", "", false},
		{`\.png$`, "", "", false},
		{`^/[a-z]+$`, "", "", false},
		{`^/u/\d+$`, "", "", false},
		{"^/a/.*/b$", "", "", false},
		{"^/v[^/]+/x$", "", "", false},
		{`^/a%20b$`, "", "", false},
		{`^/\{id\}$`, "", "", false},
		{`^/a//b$`, "", "", false},
		{`^/a/\.\./b$`, "", "", false},
		{`^/\bx$`, "", "", false},
		{"^/(ok|[0-9]{3})$", "/ok", "", false},
	} {
		s, err := sayExpression(c.expression)
		if err != nil {
			t.Errorf("%s: %v", c.expression, err)
			continue
		}
		if patterns, asked := strings.Join(s.patterns, " "), strings.Join(s.asked, " "); patterns != c.patterns || asked != c.asked || s.exact != c.exact {
			t.Errorf("%s: %q, asked %q, exact %v", c.expression, patterns, asked, s.exact)
		}
	}
}

// Whatever the expression, what becomes public is a part of what it matched; all of it, where that is said.
func TestPatternsNeverSayMoreThanTheExpression(t *testing.T) {
	parts := []string{"", "/", "a", "/a", "/a/", "[^/]+", "[^/]*", ".*", ".+", "(a|/b)", "(/.*)?", "(/|$)", ".", "^", "(^|/a)", "$", `\b`}
	var paths []string
	for _, one := range []string{"/", "/a", "/b", "/ab", "/c", "/a/", "/b/", "/c/"} {
		for _, two := range []string{"", "a", "b", "ba", "c", "a/", "a/a", "b/c", "c/a/b"} {
			if two == "" || strings.HasSuffix(one, "/") {
				paths = append(paths, one+two)
			}
		}
	}
	tried := 0
	for _, first := range parts {
		for _, second := range parts {
			for _, third := range parts {
				for _, ends := range []string{"", "^", "$", "^$"} {
					expression := strings.Trim(ends, "$") + first + second + third + strings.Trim(ends, "^")
					checkSaid(t, expression, paths)
					tried++
				}
			}
		}
	}
	if tried < 8000 {
		t.Errorf("only %d expressions were tried", tried)
	}
}

func checkSaid(t *testing.T, expression string, paths []string) {
	t.Helper()
	re := regexp.MustCompile(expression)
	s, err := sayExpression(expression)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	rules := "/ authenticated\n"
	if slices.Contains(s.patterns, "/") {
		rules = ""
	}
	for _, p := range s.patterns {
		rules += p + " public\n"
	}
	for _, p := range s.asked {
		if path, ok := onePath(p); !ok || !re.MatchString(path) {
			rules += p + " authenticated\n"
		}
	}
	policy, err := access.Compile(rules, []access.Upstream{{Pattern: "/"}})
	if err != nil {
		t.Fatalf("%s: %v\n%s", expression, err, rules)
	}
	for _, path := range paths {
		route, err := policy.Route("GET", "app.example.com", path)
		if err != nil {
			t.Fatalf("%s of %s: %v", path, expression, err)
		}
		public := route.Access() == access.Public
		if matches := re.MatchString(path); public && !matches || s.exact && matches && !public {
			t.Errorf("%s: %s matches %v, public %v, exact %v\n%s", expression, path, matches, public, s.exact, rules)
		}
	}
}
