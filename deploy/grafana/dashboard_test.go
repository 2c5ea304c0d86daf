//go:build unix

// Package grafana tests the dashboard of this folder: each query in a real Prometheus that watches doorward through a day on which
// everything happens, and the form of the file. Grafana itself does not run here: Debian has no package of it.
package grafana

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"doorward/deploy/programtest"
	"doorward/deploy/watchtest"
)

func TestMain(m *testing.M) { programtest.Main(m) }

// dashboard is what of Grafana's dashboard model (schema version 42) the tests look at.
type dashboard struct {
	UID           string
	Title         string
	SchemaVersion int
	Panels        []panel
	Templating    struct {
		List []struct {
			Name, Type string
			Datasource source
			Query      json.RawMessage
		}
	}
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               source
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []target
	Panels                   []panel
}

type source struct{ Type, UID string }

type target struct {
	RefID, Expr, LegendFormat string
	Datasource                source
}

func load(t *testing.T) *dashboard {
	t.Helper()
	text, err := os.ReadFile("doorward.json")
	if err != nil {
		t.Fatal(err)
	}
	d := &dashboard{}
	if err := json.Unmarshal(text, d); err != nil {
		t.Fatal(err)
	}
	if len(d.Panels) < 40 {
		t.Fatalf("the dashboard has %d panels", len(d.Panels))
	}
	return d
}

// asked is an expression as Grafana sends it, with the variables put in.
func asked(expression string) string {
	return strings.NewReplacer("$__rate_interval", "1m", "$job", "doorward", "$instance", ".+").Replace(expression)
}

// Each query of each panel gives series, and something in them has moved.
func TestEveryQueryReturnsData(t *testing.T) {
	d, i := load(t), watchtest.New(t)
	p := i.Prometheus("../prometheus")
	leave := i.Crowd()
	for range 2 { // a series that appears with its first event has no rate by that one
		i.Day()
		p.Scrapes(3)
	}
	known := i.Metrics()
	for _, one := range d.Panels {
		for _, q := range one.Targets {
			if why := wrong(p.Query(asked(q.Expr))); why != "" {
				t.Errorf("%s, %s: %s", one.Title, q.Expr, why)
			}
			for _, name := range watchtest.MetricsIn(q.Expr) {
				if name != "up" && !known[name] {
					t.Errorf("%s asks for %s, which doorward does not have", one.Title, name)
				}
			}
		}
	}
	leave()
}

// wrong says what is wrong with an answer; "" for nothing.
func wrong(samples []watchtest.Sample) string {
	if len(samples) == 0 {
		return "there is no series"
	}
	moved := slices.ContainsFunc(samples, func(s watchtest.Sample) bool { return s.Value != 0 && !math.IsNaN(s.Value) && !math.IsInf(s.Value, 0) })
	if !moved {
		return fmt.Sprintf("nothing has moved: %v", samples)
	}
	return ""
}

// Every metric of doorward's own is somewhere on the dashboard.
func TestEveryMetricIsShown(t *testing.T) {
	text, err := os.ReadFile("doorward.json")
	if err != nil {
		t.Fatal(err)
	}
	for name := range watchtest.New(t).Metrics() {
		family := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count"), "_sum")
		if strings.HasPrefix(name, "doorward_") && !strings.Contains(string(text), family) {
			t.Errorf("%s is shown nowhere", family)
		}
	}
}

// Panels say what they are, ask the data source that is chosen, and lie side by side.
func TestPanels(t *testing.T) {
	d := load(t)
	if d.UID != "doorward" || d.Title != "doorward" || d.SchemaVersion != 42 {
		t.Errorf("it is %q, %q, of schema version %d", d.UID, d.Title, d.SchemaVersion)
	}
	chosen := source{"prometheus", "${datasource}"}
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, one := range d.Panels {
		if ids[one.ID] || one.ID == 0 || one.Title == "" || len(one.Panels) > 0 {
			t.Errorf("panel %d, %q, has no name or number of its own, or hides others", one.ID, one.Title)
		}
		ids[one.ID] = true
		for x := one.GridPos.X; x < one.GridPos.X+one.GridPos.W; x++ {
			for y := one.GridPos.Y; y < one.GridPos.Y+one.GridPos.H; y++ {
				if other, is := taken[[2]int{x, y}]; is || x >= 24 {
					t.Fatalf("%s lies upon %q, or beside the grid", one.Title, other)
				}
				taken[[2]int{x, y}] = one.Title
			}
		}
		if one.Type == "row" {
			continue
		}
		if one.Datasource != chosen || len(one.Targets) == 0 {
			t.Errorf("%s asks %v, %d times", one.Title, one.Datasource, len(one.Targets))
		}
		if one.FieldConfig.Defaults.Unit == "" && one.Type != "table" && one.Type != "heatmap" {
			t.Errorf("%s has no unit", one.Title)
		}
		hasGoodQueries(t, one, chosen)
	}
}

func hasGoodQueries(t *testing.T, one panel, chosen source) {
	t.Helper()
	var names []string
	for _, q := range one.Targets {
		if q.Datasource != chosen || !strings.Contains(q.Expr, `{job="$job",instance=~"$instance"`) || slices.Contains(names, q.RefID) {
			t.Errorf("%s, %s: %+v does not ask for the job and the instances that are chosen, in the data source that is", one.Title, q.RefID, q)
		}
		names = append(names, q.RefID)
		if rest := strings.NewReplacer("$__rate_interval", "", "$job", "", "$instance", "").Replace(q.Expr); strings.Contains(rest, "$") {
			t.Errorf("%s asks by a variable that there is not: %s", one.Title, q.Expr)
		}
	}
}

// The variables are found among doorward's own series.
func TestVariables(t *testing.T) {
	want := map[string]string{"datasource": "prometheus", "job": "label_values(doorward_build_info, job)", "instance": `label_values(doorward_build_info{job="$job"}, instance)`}
	d := load(t)
	if len(d.Templating.List) != len(want) {
		t.Errorf("there are %d variables", len(d.Templating.List))
	}
	for _, v := range d.Templating.List {
		var query any
		if err := json.Unmarshal(v.Query, &query); err != nil {
			t.Fatal(err)
		}
		if of, is := query.(map[string]any); is {
			query = of["query"]
		}
		if query != want[v.Name] {
			t.Errorf("%s asks for %v", v.Name, query)
		}
	}
}
