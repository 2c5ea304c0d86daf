package access

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// reference decides by the sentences of the package comment, slowly: it knows nothing of trees, and of "more specific" only that
// the paths of one pattern, among all those of a small world, are paths of the other.
type reference struct {
	label   string
	methods []string
	host    string
	names   []string // with {…} for wildcards, "" at the end for {$}
	subtree bool
	deny    bool
	covered []bool // which paths of the small world
}

func newReference(label string, deny bool) *reference {
	r := &reference{label: label, deny: deny}
	if methods, location, ok := strings.Cut(label, " "); ok {
		r.methods, label = strings.Split(methods, ","), location
	}
	slash := strings.Index(label, "/")
	r.host, r.names = label[:slash], strings.Split(label[slash+1:], "/")
	switch last := len(r.names) - 1; {
	case r.names[last] == "" || strings.HasSuffix(r.names[last], "...}"):
		r.subtree, r.names = true, r.names[:last]
	case r.names[last] == "{$}":
		r.names[last] = ""
	}
	for _, path := range world() {
		r.covered = append(r.covered, r.coversPath(path))
	}
	return r
}

func (r *reference) coversPath(path []string) bool {
	if len(path) < len(r.names) || len(path) > len(r.names) && !r.subtree {
		return false
	}
	for i, name := range r.names {
		if path[i] != name && (path[i] == "" || !strings.HasPrefix(name, "{")) {
			return false
		}
	}
	return true
}

func (r *reference) coversMethod(method string) bool {
	return r.methods == nil || slices.Contains(r.methods, method) || method == "HEAD" && slices.Contains(r.methods, "GET")
}

// hostRank is 0 where the host is not covered, else higher for more specific hosts.
func (r *reference) hostRank(host string) int {
	switch {
	case r.host == host:
		return 1000
	case r.host == "":
		return 1
	case strings.HasPrefix(r.host, "*.") && strings.HasSuffix(host, r.host[1:]):
		return len(r.host)
	}
	return 0
}

// world is all paths of up to four segments of these names; patterns have three at most and know no z.
func world() [][]string {
	paths, longest := [][]string{}, [][]string{{}}
	for range 4 {
		var longer [][]string
		for _, path := range longest {
			for _, name := range []string{"", "a", "b", "z"} {
				longer = append(longer, append(slices.Clone(path), name))
			}
		}
		paths, longest = append(paths, longer...), longer
	}
	return paths
}

func (r *reference) pathsWithin(other *reference) bool {
	for i, covered := range r.covered {
		if covered && !other.covered[i] {
			return false
		}
	}
	return true
}

func (r *reference) methodsWithin(other *reference) bool {
	for _, method := range []string{"GET", "HEAD", "POST", "PUT"} {
		if r.coversMethod(method) && !other.coversMethod(method) {
			return false
		}
	}
	return true
}

// beats is a table of which pattern beats which.
func beats(rules []*reference) map[[2]*reference]bool {
	table := map[[2]*reference]bool{}
	for _, a := range rules {
		for _, b := range rules {
			samePath := a.pathsWithin(b) && b.pathsWithin(a)
			table[[2]*reference{a, b}] = a.pathsWithin(b) && (!samePath || a.methodsWithin(b) && !b.methodsWithin(a))
		}
	}
	return table
}

// decide returns the rules that decide, in the order of the table.
func decide(rules []*reference, beats map[[2]*reference]bool, method, host string, path []string) []*reference {
	hostless := among(rules, beats, method, path, func(r *reference) bool { return r.host == "" })
	if slices.ContainsFunc(hostless, func(r *reference) bool { return r.deny }) {
		return hostless
	}
	best := 0
	for _, r := range rules {
		if r.coversMethod(method) && r.coversPath(path) {
			best = max(best, r.hostRank(host))
		}
	}
	return among(rules, beats, method, path, func(r *reference) bool { return best > 0 && r.hostRank(host) == best })
}

func among(rules []*reference, beats map[[2]*reference]bool, method string, path []string, of func(*reference) bool) []*reference {
	var covering, deciding []*reference
	for _, r := range rules {
		if of(r) && r.coversMethod(method) && r.coversPath(path) {
			covering = append(covering, r)
		}
	}
	for _, r := range covering {
		if !slices.ContainsFunc(covering, func(other *reference) bool { return beats[[2]*reference{other, r}] }) {
			deciding = append(deciding, r)
		}
	}
	return deciding
}

func joinLabels(rules []*reference) string {
	if len(rules) == 0 {
		return noRule
	}
	var labels []string
	for _, r := range rules {
		labels = append(labels, r.label)
	}
	return strings.Join(labels, " + ")
}

// readTable makes rules of arbitrary bytes: three for each rule.
func readTable(data []byte) []*reference {
	choose := func(c byte, of ...string) string { return of[int(c)%len(of)] }
	var rules []*reference
	for ; len(data) >= 3 && len(rules) < 12; data = data[3:] {
		label := choose(data[0], "", "", "GET ", "POST ", "GET,POST ", "HEAD ", "POST,PUT ", "GET,HEAD ")
		label += choose(data[0]>>3, "", "", "", "h.x", "*.x", "*.y.x", "h.y.x")
		names := data[1]
		for range int(data[2]) % 4 {
			label += "/" + choose(names, "a", "b", fmt.Sprintf("{w%d}", len(label)), "a")
			names >>= 2
		}
		ends := []string{"", "/", "/{$}", "/{rest...}"}
		if data[2]%4 == 0 {
			ends[0] = "/"
		}
		label += choose(data[2]>>2, ends...)
		rules = append(rules, newReference(label, data[2]>>6 == 0))
	}
	return rules
}

func writeTable(rules []*reference) string {
	var table strings.Builder
	for _, r := range rules {
		requirement := "authenticated"
		if r.deny {
			requirement = "deny"
		}
		fmt.Fprintf(&table, "%s %s\n", r.label, requirement)
	}
	return table.String()
}

func sameRequests(a, b *reference) bool {
	return a.host == b.host && a.pathsWithin(b) && b.pathsWithin(a) && a.methodsWithin(b) && b.methodsWithin(a)
}

func hasTwins(rules []*reference) bool {
	for i, a := range rules {
		if slices.ContainsFunc(rules[:i], func(b *reference) bool { return sameRequests(a, b) }) {
			return true
		}
	}
	return false
}

// checkTable holds the matcher against the reference: same rules for every request of the small world, and the same tables
// refused.
func checkTable(t *testing.T, data []byte) {
	rules := readTable(data)
	table := writeTable(rules)
	policy, err := Compile(table, nil)
	if refused := len(rules) == 0 || hasTwins(rules); refused != (err != nil) {
		t.Fatalf("refused: %v, want %v\n%s", err, refused, table)
	}
	if err != nil {
		return
	}
	beats := beats(rules)
	for _, path := range world() {
		for _, host := range []string{"h.x", "i.x", "h.y.x", "o"} {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut} {
				written := "/" + strings.Join(path, "/")
				got := policy.lookUp(host, query{method: method, path: written}).Rule()
				if want := joinLabels(decide(rules, beats, method, host, path)); got != want {
					t.Fatalf("%s %s%s: decided by %q, want %q\n%s", method, host, written, got, want, table)
				}
			}
		}
	}
}

func FuzzMatcher(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x05\x00\x01\x45"))
	f.Add([]byte("abcdefghijklmnopqrstuvwxyz0123456789"))
	f.Add([]byte{0, 0, 4, 2, 0x24, 0x47, 0x20, 0x12, 0x83, 0x18, 0x21, 0x05, 0x00, 0x00, 0x04})
	f.Fuzz(checkTable)
}

// TestRandomTables is FuzzMatcher for every day: the same tables each time.
func TestRandomTables(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		data := make([]byte, 3*(1+random.IntN(8)))
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		checkTable(t, data)
	}
}
