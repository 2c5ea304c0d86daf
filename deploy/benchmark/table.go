//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
)

// tableOf is the table of results, in Markdown: medians, and for the ratio its spread too.
func tableOf(contenders []*contender, results map[*contender][]sample, o options) string {
	var t strings.Builder
	fmt.Fprintf(&t, "%d clients (%d for 1 MiB), %d starts, %d rounds of %s. CPU is the process's time for 1,000 requests; the ratio divides it by that of whoever it is compared with in the same round,\n"+
		"median (middle half of the rounds).\n\n", clients, fewClients, o.starts, o.rounds, o.duration)
	t.WriteString("| | CPU s | CPU ratio | target | requests/s | p50 ms | p99 ms | allocations | MiB |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, c := range contenders {
		all := results[c]
		of := func(value func(sample) float64) float64 { return median(values(all, value)) }
		fmt.Fprintf(&t, "| %s | %.4f | %s | %s | %.0f | %.1f | %.1f | %s | %.0f |\n", c.name, of(func(s sample) float64 { return s.cpu }), ratioOf(c, contenders, results),
			targetOf(c, contenders, results), of(func(s sample) float64 { return s.rate }), of(func(s sample) float64 { return s.p50 }),
			of(func(s sample) float64 { return s.p99 }), whereTold(of(func(s sample) float64 { return s.mallocs })), of(func(s sample) float64 { return s.memory }))
	}
	return t.String()
}

func whereTold(mallocs float64) string {
	if mallocs == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", mallocs)
}

// ratios are a contender's CPU times to those of whoever it is compared with, round by round.
func ratios(c *contender, contenders []*contender, results map[*contender][]sample) (all []float64) {
	unit := func(c *contender) []float64 {
		if c == nil || c.twin == "" {
			return values(results[c], func(s sample) float64 { return s.cpu })
		}
		return compare(results[c], results[named(contenders, c.twin)], cpuRatio)
	}
	return compare(unit(c), unit(named(contenders, c.against)), func(of, against float64) float64 { return of / against })
}

func cpuRatio(of, against sample) float64 { return of.cpu / against.cpu }

// compare compares what belongs to the same rounds; nothing comes of nobody's.
func compare[T any](of, against []T, how func(of, against T) float64) (all []float64) {
	for i := range min(len(of), len(against)) {
		all = append(all, how(of[i], against[i]))
	}
	return all
}

// named is the contender of that name; nil where it is left out.
func named(contenders []*contender, name string) *contender {
	at := slices.IndexFunc(contenders, func(c *contender) bool { return c.name == name })
	if at < 0 {
		return nil
	}
	return contenders[at]
}

// spread is a median, and between what the middle half of all values is: the extremes are the machine's doing.
func spread(all []float64) string {
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(all), quantile(all, 0.25), quantile(all, 0.75))
}

func ratioOf(c *contender, contenders []*contender, results map[*contender][]sample) string {
	all := ratios(c, contenders, results)
	if len(all) == 0 {
		return "1"
	}
	return spread(all)
}

func targetOf(c *contender, contenders []*contender, results map[*contender][]sample) string {
	all := ratios(c, contenders, results)
	switch {
	case c.target == 0 || len(all) == 0:
		return ""
	case median(all) <= c.target:
		return fmt.Sprintf("%.2f, met", c.target)
	}
	return fmt.Sprintf("%.2f, not met", c.target)
}

func values(samples []sample, value func(sample) float64) (all []float64) {
	for _, s := range samples {
		all = append(all, value(s))
	}
	return all
}

func median(all []float64) float64 { return quantile(all, 0.5) }

// quantile is what so large a part of all values is below, with a straight line between two of them.
func quantile(all []float64, part float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	at := part * float64(len(sorted)-1)
	below, above := sorted[int(at)], sorted[min(int(at)+1, len(sorted)-1)]
	return below + (above-below)*(at-float64(int(at)))
}
