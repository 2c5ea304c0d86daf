package provider

import (
	"fmt"
	"net/http"
	"time"
)

// clockNote is a difference of clocks from which on somebody should look at them: NTP keeps them to a fraction of a second.
const clockNote = 5 * time.Second

// clockReading is what an answer tells of the provider's clock.
type clockReading struct {
	date            time.Time // of the answer; zero when it does not say
	cached          bool      // the answer was kept by a cache, which knows when it was made
	asked, answered time.Time // by our own clock
}

func readClock(got *reply, asked time.Time) clockReading {
	c := clockReading{asked: asked, answered: time.Now(), cached: got.header.Get("Age") != ""}
	c.date, _ = http.ParseTime(got.header.Get("Date"))
	return c
}

// untold says why the clock cannot be told; empty when it can.
func (c clockReading) untold() string {
	switch {
	case c.date.IsZero():
		return "the provider's answers have no date"
	case c.cached:
		return "the answer comes from a cache"
	}
	return ""
}

// ahead is by how much our clock is ahead of the provider's, and by how much that may be wrong: Date counts whole seconds (RFC 9110
// 5.6.7), and was written at some moment between question and answer.
func (c clockReading) ahead() (ahead, bar time.Duration) {
	least, most := c.asked.Sub(c.date.Add(time.Second)), c.answered.Sub(c.date)
	return (least + most) / 2, (most - least) / 2
}

// inspectClock compares clocks. Only what lies beyond the error is held against anybody.
func inspectClock(m *metadata) Finding {
	f := Finding{ID: "provider.clock", Level: LevelOK, Subject: "clock"}
	if why := m.clock.untold(); why != "" {
		f.Level, f.Says, f.Mend = LevelNote, "cannot be told: "+why, "see that both clocks are set by NTP"
		return f
	}
	ahead, bar := m.clock.ahead()
	f.Says = fmt.Sprintf("ours is ahead of the provider's by %s, give or take %s", round(ahead), round(bar))
	if ahead < 0 {
		f.Says = fmt.Sprintf("ours is behind the provider's by %s, give or take %s", round(-ahead), round(bar))
	}
	switch beyond := ahead.Abs() - bar; {
	case beyond >= leeway:
		f.Level, f.Mend = LevelFail, "set both clocks by NTP: tokens are refused beyond "+leeway.String()
	case beyond >= clockNote:
		f.Level, f.Mend = LevelNote, "set both clocks by NTP: tokens are refused beyond "+leeway.String()
	}
	return f
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
