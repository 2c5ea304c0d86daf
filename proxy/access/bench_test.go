package access

import (
	"fmt"
	"strings"
	"testing"
)

// manyRules returns a table of about n rules, with hosts, methods and wildcards among them.
func manyRules(n int) string {
	var rules strings.Builder
	rules.WriteString("/ authenticated\n/app/{name}/settings group:Admin\n/app/users/ group:Users\n")
	for i := range n {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&rules, "/section-%d/ group:G%d\n", i, i)
		case 1:
			fmt.Fprintf(&rules, "GET,POST /app/part-%d/{id} group:G%d\n", i, i)
		case 2:
			fmt.Fprintf(&rules, "host-%d.example.com/ group:G%d\n", i, i)
		case 3:
			fmt.Fprintf(&rules, "/app/part-%d/x/y/{rest...} public\n", i-2)
		}
	}
	return rules.String()
}

func BenchmarkRoute(b *testing.B) {
	for _, rules := range []int{4, 40, 4000} {
		p := compile(b, manyRules(rules))
		for _, c := range []struct{ name, path string }{
			{"plain", "/app/users/42/profile"},
			{"upper", "/app/users/42/Profile"},
			{"long", "/app/users/42/profile/pictures/2026/november/holiday.jpg"},
			{"blank", "/app/users/42/my%20profile"},
			{"slash", "/app/users/42%2F43"},
		} {
			b.Run(fmt.Sprintf("%s/%d", c.name, rules), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := p.Route("GET", "app.example.com", c.path); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkHostilePath shows what the most expensive of paths costs before it is refused.
func BenchmarkHostilePath(b *testing.B) {
	p := compile(b, "/ authenticated")
	for _, c := range []struct{ name, part string }{
		{"mixed", "/a;x/%252e%252e//%5cb%2F%c0%ae./c%20./%ef%bc%8e/x:$y"},
		{"dots", "/../%2e%2e/;/"},
		{"slashes", "%2F%252F%25252F"},
	} {
		path := "/" + strings.Repeat(c.part, 8000/len(c.part))
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				_, _ = p.Route("GET", "app.example.com", path)
			}
		})
	}
}
