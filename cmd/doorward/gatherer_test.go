package main

import (
	"strings"
	"sync"
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
