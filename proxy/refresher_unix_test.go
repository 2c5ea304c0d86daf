//go:build unix

package proxy

import (
	"strings"
	"testing"
	"time"

	"doorward/deploy/redistest"
	"doorward/session"
)

// A session that ended while Redis was away, so that its next generation could not be stored: the new token is given back.
func TestEndedBeforeItCouldBeStored(t *testing.T) {
	p := &standIn{}
	f, s := newRefresher(t, p), sessionWith("s", -time.Second)
	var err error
	f.sessions, err = session.NewManager(session.Options{
		Secrets: [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")}, CookieName: "s", InRedis: true,
		Redis: session.RedisOptions{URL: redistest.New(t).URL(), Prefix: "test:", OutageGrace: time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.sessions.Close() })
	f.shareLater(t.Context(), s, p.renew(t.Context(), s).next)
	f.background.tasks.Wait()
	if strings.Join(p.revoked, " ") != "refresh-1" {
		t.Errorf("revoked is %v", p.revoked)
	}
}
