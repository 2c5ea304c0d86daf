package proxy

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"doorward/proxy/access"
	"doorward/session"
)

// attempt completes a login that starts now in a browser that carries the count along.
func attempt(l *loops, subject, returnTo, id string, rounds int) int {
	login := &session.Login{StartedAt: time.Now(), ReturnTo: returnTo, Rounds: rounds}
	time.Sleep(time.Second) // at the provider
	return l.completed(&session.Session{Issuer: "i", Subject: subject, ID: id}, login)
}

func TestLoginsInARowAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, rounds := newLoops(), 0
		for i := range 4 {
			got := attempt(l, "alice", "/x", strconv.Itoa(i), rounds)
			if got != i+1 {
				t.Errorf("login %d is counted as %d", i+1, got)
			}
			if rounds = got; rounds == 1 {
				rounds = 0 // the first leaves nothing in the browser
			}
		}
	})
}

func TestLoginsThatAreNoLoop(t *testing.T) {
	for name, login := range map[string]func(l *loops, i int) int{
		"the session was used": func(l *loops, i int) int {
			defer l.arrived(strconv.Itoa(i))
			return attempt(l, "alice", "/x", strconv.Itoa(i), 0)
		},
		"more than a minute lies between": func(l *loops, i int) int {
			time.Sleep(loopWindow)
			return attempt(l, "alice", "/x", strconv.Itoa(i), 0)
		},
		"other people": func(l *loops, i int) int {
			return attempt(l, strconv.Itoa(i), "/x", strconv.Itoa(i), 0)
		},
		"other pages": func(l *loops, i int) int {
			return attempt(l, "alice", "/"+strconv.Itoa(i), strconv.Itoa(i), 0)
		},
		"tabs that were open already": func(l *loops, i int) int {
			return l.completed(&session.Session{Subject: "alice", ID: strconv.Itoa(i)}, &session.Login{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLoops()
				for i := range 5 {
					if got := login(l, i); got != 1 {
						t.Fatalf("login %d is counted as %d in a row", i+1, got)
					}
				}
			})
		})
	}
}

// Nobody is sent to another login that could hardly be more recent, and everybody to one that could.
func TestLoginsThatAreAsGoodAsItGets(t *testing.T) {
	minute := time.Minute
	for name, c := range map[string]struct {
		created, authenticated time.Duration // ago
		acr                    string
		asks                   access.StepUp
		want                   bool
	}{
		"made just now, and just too old":        {time.Second, 61 * time.Second, "", access.StepUp{MaxAge: &minute}, true},
		"made just now, and as old as may be":    {time.Second, time.Second + 2*time.Minute, "", access.StepUp{MaxAge: &minute}, true},
		"made just now of an old login":          {time.Second, 2*time.Second + 2*time.Minute, "", access.StepUp{MaxAge: &minute}, false},
		"made a while ago":                       {10 * time.Second, 61 * time.Second, "", access.StepUp{MaxAge: &minute}, false},
		"made just now, in another way":          {time.Second, 61 * time.Second, "pwd", access.StepUp{ACR: []string{"mfa"}, MaxAge: &minute}, false},
		"made just now, in the right way":        {time.Second, 61 * time.Second, "mfa", access.StepUp{ACR: []string{"mfa"}, MaxAge: &minute}, true},
		"made just now, and only the way counts": {time.Second, 61 * time.Second, "pwd", access.StepUp{ACR: []string{"mfa"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &session.Session{ACR: c.acr, CreatedAt: time.Now().Add(-c.created), AuthTime: time.Now().Add(-c.authenticated)}
				if got := asGoodAsItGets(s, c.asks); got != c.want {
					t.Errorf("got %v", got)
				}
			})
		})
	}
	if asGoodAsItGets(&session.Session{CreatedAt: time.Now()}, access.StepUp{MaxAge: &minute}) {
		t.Error("a login whose time the provider did not tell is as good as it gets")
	}
}

func TestLoopsForgetWhatIsTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoops()
		for i := range 3 * loopMemory {
			l.completed(&session.Session{Subject: strconv.Itoa(i), ID: strconv.Itoa(i)}, &session.Login{})
		}
		if len(l.unused) > loopMemory || len(l.session) != len(l.unused) {
			t.Errorf("%d logins and %d sessions are remembered, want at most %d", len(l.unused), len(l.session), loopMemory)
		}
	})
}
