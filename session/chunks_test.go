package session

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const base = "__Host-doorward"

// large leaves room for three full cookies.
func large(o *Options) { o.MaxBytes = 3 * maxCookie }

// values are the browser's cookies by name.
func (b *browser) values() map[string]string {
	v := map[string]string{}
	for name, c := range b.cookies {
		v[name] = c.Value
	}
	return v
}

// header writes a Cookie header in the order of the names.
func header(values map[string]string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		pairs = append(pairs, name+"="+values[name])
	}
	return strings.Join(pairs, "; ")
}

func TestEverySizeComesBack(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	want := []byte(noise(3 * maxCookie))
	// Each size to beyond the first cookie's end, and then some.
	for n := 1; n < len(want); n += 1 + n/3000*30 {
		values, err := m.sealChunks(slices.Clone(want[:n]))
		if err != nil {
			t.Fatal(err)
		}
		cookies := map[string]string{}
		for i, value := range values {
			name := m.names.chunk(i)
			cookies[name] = value
			if size := len(name) + len(value); size > maxCookie || len(value) < 14 {
				t.Fatalf("at %d bytes, cookie %s has %d", n, name, size)
			}
		}
		if sent := header(cookies); m.names.sentBytes(values) != len(sent) {
			t.Fatalf("at %d bytes, %d are counted and %d sent", n, m.names.sentBytes(values), len(sent))
		}
		j := m.names.scan([]string{header(cookies)})
		c, _ := j.chunks()
		if got, _, ok := m.sessions.open(c.binding(m.names.base), c.joined); !ok || !bytes.Equal(got, want[:n]) {
			t.Fatalf("%d bytes in %d cookies do not come back", n, len(values))
		}
	}
}

func TestSessionsUpToTheCapComeBack(t *testing.T) {
	m := newManager(t)
	for n := 0; ; n += 61 {
		b, s, h := newBrowser(t), newSession("alice", n), http.Header{}
		if err := m.Create(h, b.request(), s); err != nil {
			if tooLarge, ok := errors.AsType[*TooLargeError](err); !ok || n < 5800 || tooLarge.Bytes <= 8192 || len(h) > 0 {
				t.Errorf("at %d bytes: %v, header %v", n, err, h)
			}
			return
		}
		b.receive(h)
		if got, err := m.Get(b.request()); err != nil || got.AccessToken != s.AccessToken || len(b.header()) > 8192 {
			t.Fatalf("session of %d bytes came back as %v, %v; cookies have %d", n, got != nil, err, len(b.header()))
		}
	}
}

func TestTooLargeGivesFiguresAndMend(t *testing.T) {
	m := newManager(t)
	for _, n := range []int{7000, 60_000, 200_000} {
		err := m.Create(http.Header{}, withCookies(), newSession("alice", n))
		tooLarge, ok := errors.AsType[*TooLargeError](err)
		if !ok {
			t.Fatalf("session of %d bytes: %v", n, err)
		}
		for _, part := range []string{fmt.Sprint(tooLarge.Bytes), "8192", "fewer groups", "smaller tokens", "DOORWARD_SESSION_COOKIE_MAX_BYTES"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not say %q", err, part)
			}
		}
	}
}

func TestSixteenCookiesAreTheMost(t *testing.T) {
	m := newManager(t, func(o *Options) { o.MaxBytes = maxChunks * maxCookie })
	for n := 45_000; ; n += 100 {
		b, h := newBrowser(t), http.Header{}
		if err := m.Create(h, b.request(), newSession("alice", n)); err != nil {
			if _, ok := errors.AsType[*TooLargeError](err); !ok || n < 46_000 {
				t.Errorf("at %d bytes: %v", n, err)
			}
			return
		}
		b.receive(h)
		if _, err := m.Get(b.request()); err != nil || len(b.cookies) > maxChunks {
			t.Fatalf("%d bytes in %d cookies: %v", n, len(b.cookies), err)
		}
	}
}

func TestRepetitiveSessionNeverSealsWhatCannotBeOpened(t *testing.T) {
	m := newManager(t)
	for n := 60_000; n < 70_000; n += 397 {
		s, b, h := newSession("alice", 0), newBrowser(t), http.Header{}
		s.AccessToken = strings.Repeat("a", n)
		if err := m.Create(h, b.request(), s); err != nil {
			if _, ok := errors.AsType[*TooLargeError](err); !ok {
				t.Fatal(err)
			}
			continue
		}
		b.receive(h)
		if _, err := m.Get(b.request()); err != nil {
			t.Fatalf("session of %d bytes was made and does not open", n)
		}
	}
}

func TestAnyChangeIsNoSession(t *testing.T) {
	t.Parallel()
	m, b := newManager(t), newBrowser(t)
	b.login(m, newSession("alice", 3000))
	original := b.values()
	if len(original) != 2 {
		t.Fatalf("wanted two cookies, got %d", len(original))
	}
	try := func(what, name, value string) {
		changed := maps.Clone(original)
		changed[name] = value
		none(t, m, what, header(changed))
	}
	for name, v := range original {
		for i := range v {
			try(fmt.Sprintf("%s: bit flipped at %d", name, i), name, v[:i]+string(rune(v[i]^1))+v[i+1:])
			try(fmt.Sprintf("%s: cut at %d", name, i), name, v[:i])
			try(fmt.Sprintf("%s: inserted at %d", name, i), name, v[:i]+"A"+v[i:])
		}
		for _, tail := range []string{"A", "=", "==", ".", "|", " ", "\t", "\r\n", "%", "\x00", v} {
			try(fmt.Sprintf("%s: %.5q appended", name, tail), name, v+tail)
		}
		try(name+": line break inside", name, v[:50]+"\n"+v[50:])
		try(name+": quoted", name, `"`+v+`"`)
	}
}

// Two bits of a last character may count for nothing, and a lenient decoder would take four spellings of it.
func TestLastCharacterHasOneSpelling(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	m := newManager(t)
	for n := range 3 { // the lengths modulo three
		b := newBrowser(t)
		b.login(m, newSession("alice", n))
		v := b.cookies[base].Value
		for _, c := range alphabet {
			if string(c) != v[len(v)-1:] {
				none(t, m, fmt.Sprintf("last character %c", c), base+"="+v[:len(v)-1]+string(c))
			}
		}
	}
}

func TestChunksOfTwoSessionsNeverJoin(t *testing.T) {
	m, alice, bob := newManager(t, large), newBrowser(t), newBrowser(t)
	alice.login(m, newSession("alice", 6000))
	bob.login(m, newSession("bob", 6000))
	a, b := alice.values(), bob.values()
	second, third := base+"_1", base+"_2"
	if len(a) != 3 || len(b) != 3 {
		t.Fatalf("wanted three cookies each, got %d and %d", len(a), len(b))
	}
	// Parts are moved along with the head "3.mark." of the cookie that they go to.
	head, data := a[base][:11], func(v string) string { return v[11:] }
	for name, values := range map[string]map[string]string{
		"second of another session":            {base: a[base], second: b[second], third: a[third]},
		"second of another session, marked":    {base: a[base], second: head + data(b[second]), third: a[third]},
		"first of another session":             {base: b[base], second: a[second], third: a[third]},
		"first two swapped":                    {base: a[second], second: a[base], third: a[third]},
		"last two swapped":                     {base: a[base], second: a[third], third: a[second]},
		"second missing":                       {base: a[base], third: a[third]},
		"last missing":                         {base: a[base], second: a[second]},
		"first missing":                        {second: a[second], third: a[third]},
		"first alone":                          {base: a[base]},
		"second twice":                         {base: a[base], second: a[second], third: a[second]},
		"_01 for _1":                           {base: a[base], base + "_01": a[second], third: a[third]},
		"_0 for the first":                     {base + "_0": a[base], second: a[second], third: a[third]},
		"boundary moved":                       {base: a[base] + a[second][11:12], second: head + a[second][12:], third: a[third]},
		"all in the first, counted as one":     {base: "1" + a[base][1:] + data(a[second]) + data(a[third])},
		"first alone, counted as one":          {base: "1" + a[base][1:]},
		"counted as four, the last one empty":  {base: "4" + a[base][1:], second: "4" + a[second][1:], third: "4" + a[third][1:], base + "_3": "4" + head[1:]},
		"one more than it counts, same mark":   {base: "2" + a[base][1:], second: "2" + a[second][1:], third: "2" + a[third][1:]},
		"marked as the other session entirely": {base: b[base][:11] + data(a[base]), second: b[base][:11] + data(a[second]), third: b[base][:11] + data(a[third])},
	} {
		none(t, m, name, header(values))
	}
	if s, err := m.Get(withCookies(header(a))); err != nil || s.User != "alice" {
		t.Errorf("the whole session is %v, %v", s, err)
	}
}

// The same value in another number of cookies, each as long as it has to be.
func TestAValueIsCutInOneWay(t *testing.T) {
	m, b := newManager(t, large), newBrowser(t)
	b.login(m, newSession("alice", 6000))
	j := m.names.scan([]string{b.header()})
	c, ok := j.chunks()
	if !ok || c.count != 3 {
		t.Fatalf("wanted three cookies, got %d", c.count)
	}
	for count := 1; count <= maxChunks; count++ {
		again, values := chunks{count: count, mark: c.mark, joined: c.joined}, map[string]string{}
		for i, value := range again.cut() {
			values[m.names.chunk(i)] = value
		}
		if count == c.count {
			if _, err := m.Get(withCookies(header(values))); err != nil {
				t.Errorf("in %d cookies as before: %v", count, err)
			}
			continue
		}
		none(t, m, fmt.Sprintf("in %d cookies", count), header(values))
	}
}

func TestCountIsCheckedFirst(t *testing.T) {
	m, b := newManager(t), newBrowser(t)
	b.login(m, newSession("alice", 0))
	rest := strings.TrimPrefix(b.cookies[base].Value, "1")
	for _, count := range []string{"0", "-1", "+1", "01", "", " 1", "1.0", "1e0", "17", "99999999", "18446744073709551617", "١"} {
		none(t, m, "count "+count, base+"="+count+rest)
	}
	crowd := map[string]string{}
	for i := range maxChunks {
		crowd[m.names.chunk(i)] = "17.abcdefgh.AAAA"
	}
	none(t, m, "count 17, with all the cookies there can be", header(crowd))
}

func TestTwoCookiesOfOneNameAreNone(t *testing.T) {
	m, alice, bob := newManager(t), newBrowser(t), newBrowser(t)
	alice.login(m, newSession("alice", 3000))
	bob.login(m, newSession("bob", 0))
	a, b := alice.header(), bob.header()
	none(t, m, "another session's cookie behind", a+"; "+b)
	none(t, m, "another session's cookie before", b+"; "+a)
	none(t, m, "in a header of its own", a, b)
	none(t, m, "the same session twice", b+"; "+b)
	none(t, m, "an empty one beside", a+"; "+base+"=")
	none(t, m, "a second chunk doubled", a+"; "+base+"_1=x")
}

func TestStaleChunksDisturbNobody(t *testing.T) {
	m, b := newManager(t, large), newBrowser(t)
	b.login(m, newSession("alice", 6000))
	old := b.values()
	for name, test := range map[string]struct{ size, cookies int }{
		"three to one": {0, 1}, "three to two": {3000, 2}, "three to three": {6000, 3},
	} {
		t.Run(name, func(t *testing.T) {
			fresh := newBrowser(t)
			fresh.login(m, newSession("bob", test.size))
			if len(fresh.cookies) != test.cookies {
				t.Fatalf("%d cookies", len(fresh.cookies))
			}
			mixed := maps.Clone(old)
			maps.Copy(mixed, fresh.values())
			if s, err := m.Get(withCookies(header(mixed))); err != nil || s.User != "bob" {
				t.Errorf("with stale chunks beside it, the session is %v, %v", s, err)
			}
		})
	}
}

// A callback from another site does not carry the cookies of the session before.
func TestStaleChunksGoUnseen(t *testing.T) {
	for name, options := range map[string]func(*Options){
		"strict":    func(o *Options) { large(o); o.SameSite = http.SameSiteStrictMode },
		"form_post": func(o *Options) { large(o); o.LoginSameSite = http.SameSiteNoneMode },
	} {
		t.Run(name, func(t *testing.T) {
			m, b := newManager(t, options), newBrowser(t)
			b.login(m, newSession("alice", 6000))
			h := http.Header{}
			if err := m.Create(h, withCookies(""), newSession("bob", 0)); err != nil {
				t.Fatal(err)
			}
			b.receive(h)
			if len(b.cookies) != 1 {
				t.Errorf("the browser holds %d cookies", len(b.cookies))
			}
		})
	}
}

func TestSessionsReplaceEachOther(t *testing.T) {
	m, b := newManager(t, large), newBrowser(t)
	for i, size := range []int{0, 6000, 0, 3000, 6000, 3000, 0} {
		user := fmt.Sprint("user", i)
		b.login(m, newSession(user, size))
		if want := 1 + size/3000; len(b.cookies) != want {
			t.Errorf("%s: browser holds %d cookies, want %d", user, len(b.cookies), want)
		}
		if s, err := m.Get(b.request()); err != nil || s.User != user {
			t.Errorf("%s: session is %v, %v", user, s, err)
		}
	}
}

func TestDestroyClearsWhatTheRequestCarried(t *testing.T) {
	m, b := newManager(t, large), newBrowser(t)
	b.login(m, newSession("alice", 6000))
	h := http.Header{}
	m.Destroy(h, b.request())
	b.receive(h)
	if len(b.cookies) != 0 {
		t.Errorf("browser still holds %v", slices.Collect(maps.Keys(b.cookies)))
	}
}

func TestDestroyAlwaysClearsTheFirst(t *testing.T) {
	m, h := newManager(t), http.Header{}
	m.Destroy(h, withCookies())
	want := base + "=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
	if got := h["Set-Cookie"]; len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheLastWordOfAnAnswerCounts(t *testing.T) {
	m := newManager(t, large)
	create := func(h http.Header, size int) {
		if err := m.Create(h, withCookies(), newSession("alice", size)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name string
		act  func(http.Header)
		want int // Set-Cookie lines, beside the application's
	}{
		{"created twice", func(h http.Header) { create(h, 6000); create(h, 0) }, 1},
		{"created and destroyed", func(h http.Header) { create(h, 6000); m.Destroy(h, withCookies()) }, 1},
		{"destroyed and created", func(h http.Header) { m.Destroy(h, withCookies()); create(h, 6000) }, 3},
		{"destroyed twice", func(h http.Header) { m.Destroy(h, withCookies()); m.Destroy(h, withCookies()) }, 1},
	} {
		h := http.Header{"Set-Cookie": {"theme=dark"}}
		test.act(h)
		if lines := h["Set-Cookie"]; len(lines) != 1+test.want || lines[0] != "theme=dark" {
			t.Errorf("%s: %d lines, the first %.30q", test.name, len(lines), lines[0])
		}
	}
}
