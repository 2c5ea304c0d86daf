//go:build linux

package main

import (
	"fmt"
	"strings"
)

// target is what a contender has set itself beside its CPU time, measured by another one in the same round.
type target struct {
	what    string
	of      string // a contender's name
	against string // another's
	compare func(of, against sample) float64
	limit   float64
	least   bool // the limit is the least value, and not the greatest
}

// targets are those of doorward. Whoever is left out meets none and misses none.
func targets() []target {
	rate := func(of, against sample) float64 { return of.rate / against.rate }
	p99 := func(of, against sample) float64 { return of.p99 / against.p99 }
	mallocs := func(of, against sample) float64 { return of.mallocs - against.mallocs }
	return []target{
		{"requests/s, as a multiple of Apache's", doorwardCookies, apacheProxy, rate, 1.9, true},
		{"the same with FAST_TRANSPORT", doorwardFast, apacheProxy, rate, 1.9, true},
		{"p99, as a multiple of the bare proxy's", doorwardCookies, bareProxy, p99, 1.1, false},
		{"the same with FAST_TRANSPORT", doorwardFast, bareProxy, p99, 1.1, false},
		{"allocations for a request beyond the bare proxy's", doorwardCookies, bareProxy, mallocs, 25, false},
		{"CPU of sessions in Redis, as a multiple of those in cookies", doorwardRedis, doorwardCookies, cpuRatio, 1.05, false},
		{"requests/s with 1 MiB, as a multiple of the bare proxy's", doorwardLarge, bareLarge, rate, 0.95, true},
	}
}

// targetTable says what became of the targets, in Markdown; nothing where none can be told.
func targetTable(targets []target, contenders []*contender, results map[*contender][]sample) string {
	var t strings.Builder
	for _, target := range targets {
		all := compare(results[named(contenders, target.of)], results[named(contenders, target.against)], target.compare)
		if len(all) > 0 {
			fmt.Fprintf(&t, "| %s | %s | %s |\n", target.what, spread(all), target.verdict(median(all)))
		}
	}
	if t.Len() == 0 {
		return ""
	}
	return "\n| doorward | | target |\n|---|---|---|\n" + t.String()
}

func (t target) verdict(value float64) string {
	most, met := "at most", value <= t.limit
	if t.least {
		most, met = "at least", value >= t.limit
	}
	if met {
		return fmt.Sprintf("%s %g, met", most, t.limit)
	}
	return fmt.Sprintf("%s %g, not met", most, t.limit)
}
