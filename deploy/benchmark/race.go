//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// clients is how many wrk is, fewClients where answers are large.
const clients, fewClients = 64, 8

// sample is what one contender did in one round.
type sample struct {
	cpu      float64 // seconds of CPU time for 1,000 requests
	rate     float64 // requests a second
	p50, p99 float64 // milliseconds
	memory   float64 // MiB, at the round's end
	mallocs  float64 // allocations for a request; 0 for who does not tell
}

// compete lets everybody run, several times as new processes: one and the same program is some hundredths faster or slower from one start to
// the next, for as long as it lives.
func (l *lab) compete() (contenders []*contender, results map[*contender][]sample, err error) {
	results = map[*contender][]sample{}
	for start := range l.options.starts {
		l.clear()
		started, err := l.contenders()
		if err != nil {
			return nil, nil, err
		}
		if start == 0 {
			contenders = started
		}
		some, err := l.race(started, start)
		if err != nil {
			return nil, nil, err
		}
		for i, c := range contenders {
			results[c] = append(results[c], some[started[i]]...)
		}
	}
	return contenders, results, nil
}

// race lets everybody run in every round of a start, in turn, and another one first in each. Before, each has warmed up.
func (l *lab) race(contenders []*contender, start int) (map[*contender][]sample, error) {
	rounds, starts := l.options.rounds, l.options.starts
	from, to := start*rounds/starts, (start+1)*rounds/starts
	began, total := time.Now(), (rounds-from+starts-start)*len(contenders) // with the warming up of this start and of those to come
	results := map[*contender][]sample{}
	for round := from; round <= to; round++ {
		for i := range contenders {
			c := contenders[(i+round)%len(contenders)]
			s, err := l.run(c)
			if err != nil {
				return nil, err
			}
			done := (round-from)*len(contenders) + i + 1
			left := time.Duration(float64(time.Since(began)) / float64(done) * float64(total-done)).Round(time.Second)
			if round == from {
				l.say("warming up: %s, %.0f requests/s; %s left", c.name, s.rate, left)
				continue
			}
			results[c] = append(results[c], s)
			l.say("round %d of %d: %-32s %.4f CPU s per 1,000 requests, %6.0f requests/s; %s left", round, rounds, c.name, s.cpu, s.rate, left)
		}
	}
	return results, nil
}

// run puts a contender under load for a while.
func (l *lab) run(c *contender) (sample, error) {
	l.emptyLogs()
	allocated, err := c.process.mallocs() // which costs time itself
	if err != nil {
		return sample{}, err
	}
	before := c.process.cpu()
	report, err := l.load(c)
	used := c.process.cpu() - before
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", c.name, err)
	}
	all, err := c.process.mallocs()
	return sample{
		cpu: used.Seconds() / report.requests * 1000, rate: report.requests / report.seconds, p50: report.p50, p99: report.p99,
		memory: c.process.memory(), mallocs: (all - allocated) / report.requests,
	}, err
}

// load lets wrk make its requests.
func (l *lab) load(c *contender) (report, error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.options.duration+time.Minute)
	defer cancel()
	args := []string{"-t1", "-c" + strconv.Itoa(cmp.Or(c.clients, clients)), "-d" + strconv.Itoa(int(l.options.duration.Seconds())), "--timeout", "30s", "--latency"}
	for _, header := range c.headers {
		args = append(args, "-H", header)
	}
	if c.script != "" {
		args = append(args, "-s", c.script)
	}
	output, err := exec.CommandContext(ctx, "wrk", append(args, c.url)...).CombinedOutput()
	if err != nil {
		return report{}, fmt.Errorf("running wrk: %w: %s", err, output)
	}
	return readReport(string(output))
}

// emptyLogs keeps the disk from being written to in earnest, which would be in somebody's round.
func (l *lab) emptyLogs() {
	logs, _ := filepath.Glob(filepath.Join(l.folder, "*.log"))
	for _, log := range logs {
		_ = os.Truncate(log, 0)
	}
}

// report is what wrk says.
type report struct{ requests, seconds, p50, p99 float64 }

func readReport(text string) (r report, err error) {
	if bad := regexp.MustCompile(`Non-2xx or 3xx responses: \d+|Socket errors: .*`).FindString(text); bad != "" {
		return r, fmt.Errorf("wrk tells of %s", bad)
	}
	for pattern, to := range map[string]*float64{`(\d+)() requests in`: &r.requests, `requests in ([\d.]+)(\w+)`: &r.seconds,
		`50%\s+([\d.]+)(\w+)`: &r.p50, `99%\s+([\d.]+)(\w+)`: &r.p99} {
		found := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if found == nil {
			return r, fmt.Errorf("wrk's report does not have %s:\n%s", pattern, text)
		}
		*to, _ = strconv.ParseFloat(found[1], 64)
		switch found[2] { // times in milliseconds, but for how long it took
		case "us":
			*to /= 1000
		case "s":
			*to *= 1000
		case "m":
			*to *= 60_000
		}
	}
	if r.seconds /= 1000; r.requests == 0 {
		return r, fmt.Errorf("wrk made no request")
	}
	return r, nil
}
