//go:build linux

package main

import (
	"strings"
	"testing"
)

func TestTargetsAreJudgedByTheMedianOfTheirRounds(t *testing.T) {
	bare, ours := &contender{name: bareProxy}, &contender{name: doorwardCookies}
	results := map[*contender][]sample{bare: {{p99: 10}, {p99: 10}, {p99: 10}}, ours: {{p99: 5}, {p99: 10}, {p99: 40}}}
	p99 := func(of, against sample) float64 { return of.p99 / against.p99 }
	for _, c := range []struct {
		target target
		want   string
	}{
		{target{"p99", doorwardCookies, bareProxy, p99, 1.1, false}, "| p99 | 1.00 (0.75–2.50) | at most 1.1, met |"},
		{target{"p99", doorwardCookies, bareProxy, p99, 0.9, false}, "at most 0.9, not met"},
		{target{"p99", doorwardCookies, bareProxy, p99, 1, true}, "at least 1, met"},
		{target{"p99", doorwardCookies, bareProxy, p99, 1.1, true}, "at least 1.1, not met"},
	} {
		if table := targetTable([]target{c.target}, []*contender{bare, ours}, results); !strings.Contains(table, c.want) {
			t.Errorf("the table does not have %q:\n%s", c.want, table)
		}
	}
}

func TestTargetsOfWhoIsLeftOutAreNotJudged(t *testing.T) {
	ours := &contender{name: doorwardCookies}
	if table := targetTable(targets(), []*contender{ours}, map[*contender][]sample{ours: {{cpu: 1, rate: 1, p99: 1}}}); table != "" {
		t.Errorf("beside nobody, targets are judged:\n%s", table)
	}
}
