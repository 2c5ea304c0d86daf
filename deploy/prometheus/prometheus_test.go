//go:build unix

// Package prometheus tests the configuration and the alerts of this folder with Prometheus and promtool.
package prometheus

import (
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"doorward/deploy/programtest"
	"doorward/deploy/watchtest"
)

func TestMain(m *testing.M) { programtest.Main(m) }

// rule is an alert as Prometheus has read it.
type rule struct {
	Name, Query, Type, Health string
	Labels, Annotations       map[string]string
}

// rulesOf are the alerts that a Prometheus watches.
func rulesOf(t *testing.T, p *watchtest.Prometheus) []rule {
	t.Helper()
	var data struct{ Groups []struct{ Rules []rule } }
	p.API("/rules", &data)
	var all []rule
	for _, group := range data.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) < 20 {
		t.Fatalf("Prometheus knows %d alerts", len(all))
	}
	return all
}

// A real Prometheus with the configuration of this folder scrapes doorward, has its series, and watches the alerts, none of which looks
// at a metric that doorward does not have.
func TestPrometheusWatchesDoorward(t *testing.T) {
	i := watchtest.New(t)
	p := i.Prometheus(".")
	i.Day()
	p.Scrapes(2)

	var targets struct {
		ActiveTargets []struct {
			Health, LastError string
			Labels            map[string]string
		}
	}
	p.API("/targets", &targets)
	if len(targets.ActiveTargets) != 1 || targets.ActiveTargets[0].Health != "up" || targets.ActiveTargets[0].Labels["job"] != "doorward" {
		t.Errorf("the targets are %+v", targets.ActiveTargets)
	}
	for query, want := range map[string]float64{
		`doorward_logins_total{result="ok"}`: 1, `sum(doorward_requests_total{outcome="forwarded"})`: 1, `doorward_provider_up`: 1,
		`doorward_redis_up`: 1, `sum(doorward_denials_total{rule="/admin/"})`: 1, `doorward_max_connections`: 500,
	} {
		if samples := p.Query(query); len(samples) != 1 || samples[0].Value < want {
			t.Errorf("%s is %v, want %v at least", query, samples, want)
		}
	}
	known := i.Metrics()
	for _, r := range rulesOf(t, p) {
		if r.Type != "alerting" || r.Health == "err" {
			t.Errorf("%s is %q, and %q", r.Name, r.Type, r.Health)
		}
		for _, name := range watchtest.MetricsIn(r.Query) {
			if name != "up" && !known[name] {
				t.Errorf("%s asks for %s, which doorward does not have", r.Name, name)
			}
		}
		hasRunbook(t, r)
	}
}

// hasRunbook checks that whoever is woken is told what it is about, and what to do.
func hasRunbook(t *testing.T, r rule) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if r.Annotations["summary"] == "" || r.Annotations["description"] == "" || r.Labels["severity"] != "page" && r.Labels["severity"] != "ticket" {
		t.Errorf("%s says %v, with labels %v", r.Name, r.Annotations, r.Labels)
	}
	if want := "deploy/prometheus/README.md#" + strings.ToLower(r.Name); r.Annotations["runbook"] != want {
		t.Errorf("%s: the runbook is %q, want %q", r.Name, r.Annotations["runbook"], want)
	}
	if !strings.Contains(string(text), "\n### "+r.Name+"\n") {
		t.Errorf("README.md has no heading %s", r.Name)
	}
}

// Whatever goes wrong in a real installation, Prometheus notices. Most alerts wait for minutes before they fire, and are pending until then.
func TestOutagesAreNoticed(t *testing.T) {
	i := watchtest.New(t)
	p := i.Prometheus(".")
	alice := i.SignedIn("alice")
	for range 4 {
		i.LoginLoop()
	}
	for range 8 {
		i.FailLogin()
		alice.Open("/gone/", http.StatusBadGateway)
	}
	i.WriteSecret("", "config_reload_failed")
	i.ProviderOutage()
	i.Redis.Kill()

	p.Await(`ALERTS{alertname="DoorwardLoginLoops",alertstate="firing",severity="ticket"}`)
	for _, alert := range []string{"DoorwardLoginsFailing", "DoorwardUpstreamErrors", "DoorwardConfigReloadFailed", "DoorwardProviderDown", "DoorwardRedisDown"} {
		p.Await(`ALERTS{alertname="` + alert + `"}`)
	}
	saysWhat(t, p, "DoorwardLoginLoops", "People keep being sent back to the login")
	i.Stop()
	p.Await(`ALERTS{alertname="DoorwardDown"}`)
}

// saysWhat checks the summary of an alert that is on.
func saysWhat(t *testing.T, p *watchtest.Prometheus, alert, summary string) {
	t.Helper()
	var data struct {
		Alerts []struct{ Labels, Annotations map[string]string }
	}
	p.API("/alerts", &data)
	for _, one := range data.Alerts {
		if one.Labels["alertname"] == alert && one.Annotations["summary"] == summary {
			return
		}
	}
	t.Errorf("no %s says %q: %v", alert, summary, data.Alerts)
}

// Each alert fires where it should and stays silent where it should not: promtool says so.
func TestAlerts(t *testing.T) {
	promtool := watchtest.Find(t, "promtool")
	for _, arguments := range [][]string{{"check", "config", "prometheus.yml"}, {"check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		if output, err := exec.Command(promtool, arguments...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(arguments, " "), err, output)
		}
	}
}

// No alert is without a case of either kind.
func TestEveryAlertHasBothCases(t *testing.T) {
	alerts := matches(t, "alerts.yml", `(?m)^ +- alert: (\w+)$`)
	if len(alerts) < 20 {
		t.Fatalf("alerts.yml has %d alerts", len(alerts))
	}
	fires := matches(t, "alerts_test.yml", `alertname: (\w+)\n +eval_time: \w+\n +exp_alerts:\n`)
	silent := matches(t, "alerts_test.yml", `alertname: (\w+)\n +eval_time: \w+\n +exp_alerts: \[\]\n`)
	for _, alert := range alerts {
		if !slices.Contains(fires, alert) || !slices.Contains(silent, alert) {
			t.Errorf("%s fires in a case: %v; is silent in one: %v", alert, slices.Contains(fires, alert), slices.Contains(silent, alert))
		}
	}
}

// matches are what the pattern's group is in a file, each time.
func matches(t *testing.T, file, pattern string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
		found = append(found, match[1])
	}
	return found
}
