package session

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOurNames(t *testing.T) {
	m := newManager(t)
	for name, want := range map[string]bool{
		base: true, base + "_1": true, base + "_15": true, base + "-login-abcdefghijkl": true, base + "-login-": true,
		base + "_0": false, base + "_16": false, base + "_01": false, base + "_+1": false, base + "_": false, base + "1": false,
		base + "_1_1": false, base + "-login": false, base + "s": false, "__host-doorward": false, "__Host-": false, "": false,
		" " + base: false, base + " ": false, "\u00a0" + base: false, "\u2000" + base: false, "_1": false,
	} {
		if m.Owns(name) != want {
			t.Errorf("Owns(%q) is %v", name, !want)
		}
	}
}

func TestOnlyTheExactNameIsASession(t *testing.T) {
	m, b := newManager(t), newBrowser(t)
	b.login(m, newSession("alice", 0))
	v := b.cookies[base].Value
	for name, header := range map[string]string{
		"blank after the name":         base + " =" + v,
		"tab after the name":           base + "\t=" + v,
		"no-break space before":        "a=b; \u00a0" + base + "=" + v,
		"U+2000 before":                "a=b; \u2000" + base + "=" + v,
		"vertical tab before":          "a=b; \v" + base + "=" + v,
		"line break before":            "a=b; \n" + base + "=" + v,
		"lower case":                   "__host-doorward=" + v,
		"nameless, mimicking the name": "=" + base + "=" + v,
		"nameless after a blank":       "a=b; =" + base + "=" + v,
		"no equals sign":               base + v,
		"blank before the value":       base + "= " + v,
		"blank after the value":        base + "=" + v + " ; a=b",
		"quoted":                       base + `="` + v + `"`,
		"inside another's quotes":      `a="` + base + "=" + v + `"`,
		"separated by commas":          "a=b, " + base + "=" + v,
		"within another's value":       "a=" + base + "=" + v,
		"encoded name":                 "%5f%5fHost-doorward=" + v,
	} {
		none(t, m, name, header)
	}
	for name, headers := range map[string][]string{
		"alone":                     {base + "=" + v},
		"last":                      {"a=b; c=d; " + base + "=" + v},
		"without blanks":            {"a=b;" + base + "=" + v + ";c=d"},
		"after two blanks":          {"a=b;  \t" + base + "=" + v},
		"in a header of its own":    {"a=b", base + "=" + v},
		"between broken ones":       {";;=;; a; " + base + "=" + v + "; =;;"},
		"after $Version":            {"$Version=1; " + base + "=" + v + "; $Path=/"},
		"beside its lower-case kin": {"__host-doorward=x; " + base + "=" + v},
	} {
		if _, err := m.Get(withCookies(headers...)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHugeAndBrokenHeadersAreNoSession(t *testing.T) {
	m := newManager(t)
	many := strings.Repeat("a=b; ", 3001)
	for name, header := range map[string]string{
		"empty": "", "semicolons": ";;;", "equals": "=", "mixed": ";;=;", "name alone": base, "no value": base + "=",
		"a megabyte of cookies": strings.Repeat("a=b;", 1<<18), "a megabyte of separators": strings.Repeat(";", 1<<20),
		"a megabyte of value": base + "=1.abcdefgh." + strings.Repeat("A", 1<<20), "control bytes": base + "=\x00\x01\x7f\xff",
		"a thousand of ours": strings.Repeat(base+"=1.abcdefgh.AAAA; ", 1000), "dots": base + "=....", "dot": base + "=1.",
	} {
		none(t, m, name, header)
	}
	b := newBrowser(t)
	b.login(m, newSession("alice", 0))
	if _, err := m.Get(withCookies(many + b.header())); err != nil {
		t.Errorf("behind 3001 other cookies: %v", err)
	}
}

func TestHugeHeadersAreCheap(t *testing.T) {
	m := newManager(t)
	var header strings.Builder
	for i := range 1 << 16 {
		fmt.Fprintf(&header, "%s-login-%d=y; ", base, i)
	}
	r := withCookies(header.String())
	allocs := testing.AllocsPerRun(5, func() { m.Get(r) })
	if allocs > 100 {
		t.Errorf("%v allocations for a megabyte of cookies", allocs)
	}
	h := http.Header{}
	if err := m.BeginLogin(h, r, &Login{State: "s"}); err != nil || len(h["Set-Cookie"]) > maxLogins+1 {
		t.Errorf("%d lines in answer, %v", len(h["Set-Cookie"]), err)
	}
}

func TestStripLeavesOthersAlone(t *testing.T) {
	m := newManager(t)
	for _, test := range []struct{ in, want []string }{
		{nil, nil},
		{[]string{""}, []string{""}},
		{[]string{"a=b"}, []string{"a=b"}},
		{[]string{base + "=x"}, nil},
		{[]string{base + "=x; a=b"}, []string{"a=b"}},
		{[]string{"a=b; " + base + "=x"}, []string{"a=b"}},
		{[]string{"a=b; " + base + "=x; c=d"}, []string{"a=b; c=d"}},
		{[]string{base + "=x; " + base + "_1=y; " + base + "-login-abc=z"}, nil},
		{[]string{"a=b", base + "=x", "c=d"}, []string{"a=b", "c=d"}},
		{[]string{`a="b;c=d"; ` + base + "=x;  =e;f;;g = h "}, []string{`a="b;c=d";  =e;f;;g = h `}},
		{[]string{"  a=b;;c  "}, []string{"  a=b;;c  "}},
		{[]string{base + " =x; __host-doorward=y; =" + base + "=z; " + base + "_16=w"}, []string{base + " =x; __host-doorward=y; =" + base + "=z; " + base + "_16=w"}},
		{[]string{base}, []string{base}},
	} {
		in := slices.Clone(test.in)
		if got := m.Strip(in); !slices.Equal(got, test.want) {
			t.Errorf("Strip(%q) is %q, want %q", test.in, got, test.want)
		}
		if !slices.Equal(in, test.in) {
			t.Errorf("Strip changed its argument to %q", in)
		}
	}
}

func FuzzStrip(f *testing.F) {
	m := newManager(f)
	f.Add("a=b; "+base+"=x; c=d", base+"_1=y")
	f.Add(";;= ;\t"+base+"=;"+base+"-login-=", " =a")
	f.Fuzz(func(t *testing.T, first, second string) {
		ours := func(pair string) bool {
			name, _, ok := strings.Cut(strings.TrimLeft(pair, " \t"), "=")
			return ok && m.Owns(name)
		}
		var want, got []string
		for _, header := range []string{first, second} {
			want = append(want, slices.DeleteFunc(strings.Split(header, ";"), ours)...)
		}
		for _, header := range m.Strip([]string{first, second}) {
			got = append(got, strings.Split(header, ";")...)
		}
		if slices.ContainsFunc(got, ours) {
			t.Errorf("one of ours is left in %q", got)
		}
		// Empty pairs, and blanks at a header's beginning, are nobody's cookies.
		cookies := func(pairs []string) (trimmed []string) {
			for _, pair := range pairs {
				if pair = strings.TrimLeft(pair, " \t"); pair != "" {
					trimmed = append(trimmed, pair)
				}
			}
			return trimmed
		}
		if !slices.Equal(cookies(got), cookies(want)) {
			t.Errorf("others changed from %q to %q", want, got)
		}
	})
}

// FuzzGet fills the values of two sessions' cookies into headers of any form: {a0} is the first of alice's, {b1} the
// second of bob's.
func FuzzGet(f *testing.F) {
	m := newManager(f)
	made := map[string][]string{} // a session's cookies, by its user
	var values []string
	for _, user := range []string{"a", "b"} {
		b, s := newBrowser(f), newSession(user, 3000)
		s.ExpiresAt, s.TokenExpiresAt = s.CreatedAt.Add(24*time.Hour), s.CreatedAt.Add(24*time.Hour)
		b.login(m, s)
		for i, name := range b.names {
			made[user] = append(made[user], name+"="+b.cookies[name].Value)
			values = append(values, fmt.Sprintf("{%s%d}", user, i), b.cookies[name].Value)
		}
	}
	f.Add(base+"={a0}; "+base+"_1={a1}", "")
	f.Add(base+"={a0}; "+base+"_1={b1}", base+"_2={a1}")
	f.Add("a=b;;=; "+base+"={b0};"+base+"={a0}", "; "+base+"_1={b1}")
	f.Add(base+"=99999999.abcdefgh.AAAA", base+"_1=2.abcdefgh.AAAA")
	fill := strings.NewReplacer(values...)
	f.Fuzz(func(t *testing.T, first, second string) {
		first, second = fill.Replace(first), fill.Replace(second)
		s, err := m.Get(withCookies(first, second))
		if err != nil {
			return
		}
		if len(made[s.User]) != 2 {
			t.Fatalf("session of %q, which nobody made", s.User)
		}
		for _, cookie := range made[s.User] {
			if !strings.Contains(first, cookie) && !strings.Contains(second, cookie) {
				t.Errorf("session of %s from %q and %q, without its cookies", s.User, first, second)
			}
		}
	})
}

func TestAttributes(t *testing.T) {
	for _, test := range []struct {
		name           string
		change         func(*Options)
		session, login string
	}{
		{"https", func(*Options) {}, "; Path=/; HttpOnly; Secure; SameSite=Lax", "; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"},
		{
			"form_post", func(o *Options) { o.LoginSameSite = http.SameSiteNoneMode },
			"; Path=/; HttpOnly; Secure; SameSite=Lax", "; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=None",
		},
		{
			"strict", func(o *Options) { o.SameSite = http.SameSiteStrictMode },
			"; Path=/; HttpOnly; Secure; SameSite=Strict", "; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax",
		},
		{
			"plain http", func(o *Options) { o.Secure, o.CookieName = false, "doorward" },
			"; Path=/; HttpOnly; SameSite=Lax", "; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, h := newManager(t, test.change), http.Header{}
			if err := m.Create(h, withCookies(), newSession("alice", 3000)); err != nil {
				t.Fatal(err)
			}
			if err := m.BeginLogin(h, withCookies(), &Login{State: "s"}); err != nil {
				t.Fatal(err)
			}
			cleared := func(line string) bool { return strings.Contains(line, "Max-Age=0") }
			lines := slices.DeleteFunc(h["Set-Cookie"], cleared)
			if len(lines) != 3 {
				t.Fatalf("%d cookies are set", len(lines))
			}
			for i, want := range []string{test.session, test.session, test.login} {
				if _, attributes, _ := strings.Cut(lines[i], ";"); ";"+attributes != want {
					t.Errorf("line %d has %q, want %q", i, ";"+attributes, want)
				}
			}
		})
	}
}
