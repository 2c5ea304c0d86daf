package session

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// count lets the browser receive the note that a completed login leaves.
func (b *browser) count(m *Manager, returnTo string, rounds int) {
	b.t.Helper()
	h := http.Header{}
	if err := m.CountRound(h, b.request(), returnTo, rounds); err != nil {
		b.t.Fatal(err)
	}
	b.receive(h)
}

func TestRoundsAreFoundByReturnAddressForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := newManager(t), newBrowser(t)
		b.count(m, "/x", 2)
		if here, elsewhere := m.Rounds(b.request(), "/x"), m.Rounds(b.request(), "/y"); here != 2 || elsewhere != 0 {
			t.Errorf("%d rounds for the address, %d for another; want 2 and 0", here, elsewhere)
		}
		r := b.request()
		time.Sleep(time.Minute)
		if n := m.Rounds(r, "/x"); n != 0 {
			t.Errorf("%d rounds after a minute", n)
		}
	})
}

func TestRoundsAreForgotten(t *testing.T) {
	m, b := newManager(t), newBrowser(t)
	b.begin(m, b.request(), typicalLogin("in another tab"))
	b.count(m, "/x", 2)
	h := http.Header{}
	m.ForgetRounds(h, b.request())
	b.receive(h)
	if n := m.Rounds(b.request(), "/x"); n != 0 {
		t.Errorf("%d rounds are left", n)
	}
	if _, err := m.FindLogin(b.request(), "in another tab"); err != nil {
		t.Error("the login of another tab is gone as well")
	}
}

// Whoever goes round in circles carries one note, however often.
func TestANoteReplacesTheOneBefore(t *testing.T) {
	m, b := newManager(t), newBrowser(t)
	for rounds := range 5 {
		b.count(m, "/x", rounds)
	}
	if n := m.Rounds(b.request(), "/x"); n != 4 || len(b.cookies) != 1 {
		t.Errorf("%d rounds in %d cookies; want 4 in one", n, len(b.cookies))
	}
}

// Names are anybody's to make up: an answer clears no more of them than logins are looked at.
func TestAnAnswerClearsNotesInBoundedNumber(t *testing.T) {
	m, h := newManager(t), http.Header{}
	var notes []string
	for i := range 2 * maxLogins {
		notes = append(notes, m.names.round+strconv.Itoa(i)+"=1")
	}
	if !m.ForgetRounds(h, withCookies(strings.Join(notes, "; "))) || len(h["Set-Cookie"]) != maxLogins {
		t.Errorf("%d cookies are cleared, want %d", len(h["Set-Cookie"]), maxLogins)
	}
}

// A browser sends, and clears, cookies whose names net/http does not write.
func TestNotesOfAnyNameAreForgotten(t *testing.T) {
	m := newManager(t)
	for _, end := range []string{"", "x y", "é", `x"y`, "x,y", "x\ty", "x\x7f"} {
		h, name := http.Header{}, m.names.round+end
		cleared := m.ForgetRounds(h, withCookies(name+"=1"))
		if line := h.Get("Set-Cookie"); !cleared || !strings.HasPrefix(line, name+"=; Path=/; Max-Age=0;") {
			t.Errorf("%q: %v, %q", end, cleared, line)
		}
	}
	if h := (http.Header{}); m.ForgetRounds(h, withCookies("other=1")) || len(h) > 0 {
		t.Errorf("of no note comes %v", h)
	}
}

func TestANoteOfRoundsIsNoLogin(t *testing.T) {
	m, b := newManager(t), newBrowser(t)
	b.count(m, "/x", 1)
	if _, err := m.FindLogin(b.request(), ""); err == nil {
		t.Error("a note was found as the login of an empty state")
	}
}
