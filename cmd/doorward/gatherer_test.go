package main

import (
	"encoding/json"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"doorward/config"
	"doorward/proxy"
)

// writes are what was written, each by itself.
type writes struct {
	mu  sync.Mutex
	all []string
}

func (w *writes) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, string(text))
	return len(text), nil
}

func (w *writes) so() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all
}

func (w *writes) String() string { return strings.Join(w.so(), "") }

func TestRequestsAreLoggedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &writes{}
		log := proxy.NewLog(&gatherer{to: w}, config.Defaults())
		for range 3 {
			log.Info("request", "path", "/")
		}
		if n := len(w.so()); n != 0 {
			t.Errorf("%d were written at once", n)
		}
		time.Sleep(gatherFor)
		synctest.Wait()
		if all := w.so(); len(all) != 1 || strings.Count(all[0], "\n") != 3 {
			t.Errorf("then %q", all)
		}
		log.Info("request", "path", "/")
		time.Sleep(gatherFor)
		synctest.Wait()
		if all := w.so(); len(all) != 2 {
			t.Errorf("and then %q", all)
		}
	})
}

// What is worth an audit does not wait, and neither does what came before it.
func TestEverythingElseIsLoggedAtOnce(t *testing.T) {
	w := &writes{}
	log := proxy.NewLog(&gatherer{to: w}, config.Defaults())
	log.Info("request", "path", "/1")
	log.Info("login", "path", `/,"event":"request",`)
	log.Warn("request_failed", "path", "/")
	if all := w.so(); len(all) != 2 || strings.Count(all[0], "\n") != 2 || !strings.Contains(all[0], "/1") {
		t.Errorf("wrote %q", all)
	}
}

// full is a disk that takes half of a write, and then nothing for a while.
type full struct {
	writes
	refusals int
}

func (f *full) Write(text []byte) (int, error) {
	if f.refusals == 0 {
		return f.writes.Write(text)
	}
	taken := 0
	if f.refusals--; len(f.all) == 0 {
		taken, _ = f.writes.Write(text[:len(text)/2])
	}
	return taken, syscall.ENOSPC
}

// A write that fails under way tears no line, and loses none for as long as they are few.
func TestWhatCannotBeWrittenWaits(t *testing.T) {
	for name, test := range map[string]struct{ refusals, lines int }{"few lines": {2, 10}, "many lines": {3 * gatherMax / 100, 3 * gatherMax / 100}} {
		t.Run(name, func(t *testing.T) {
			f := &full{refusals: test.refusals}
			g := &gatherer{to: f}
			log := proxy.NewLog(g, config.Defaults())
			for range test.lines {
				log.Info("login", "path", strings.Repeat("x", 100))
			}
			if cap(g.waiting) > 4*gatherMax {
				t.Errorf("room for %d bytes", cap(g.waiting))
			}
			log.Info("logout")
			for line := range strings.Lines(f.String()) {
				if !json.Valid([]byte(line)) {
					t.Errorf("a line is %q", line)
				}
			}
			if n := strings.Count(f.String(), `"event":"login"`); n != test.lines && name == "few lines" {
				t.Errorf("%d lines of %d", n, test.lines)
			}
			if !strings.Contains(f.String(), `"event":"logout"`) {
				t.Error("the last one is lost")
			}
		})
	}
}

func TestWhatIsGatheredIsBounded(t *testing.T) {
	w := &writes{}
	g := &gatherer{to: w}
	log := proxy.NewLog(g, config.Defaults())
	for range 3 * gatherMax / 100 {
		log.Info("request", "path", strings.Repeat("x", 100))
	}
	if len(w.so()) < 3 || cap(g.waiting) > 4*gatherMax {
		t.Errorf("%d writes, and room for %d bytes", len(w.so()), cap(g.waiting))
	}
	g.flush()
	if n := strings.Count(w.String(), "\n"); n != 3*gatherMax/100 {
		t.Errorf("%d lines", n)
	}
}
