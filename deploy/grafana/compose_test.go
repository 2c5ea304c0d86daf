//go:build unix

package grafana

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What docker-compose.yml mounts is there, and where Grafana's and Prometheus's settings look for it.
func TestComposeMountsWhatIsThere(t *testing.T) {
	compose := read(t, "../../docker-compose.yml")
	mounts := map[string]string{}
	for _, mount := range regexp.MustCompile(`(?m)^ +- \./(\S+?):(\S+?):ro$`).FindAllStringSubmatch(compose, -1) {
		mounts[mount[2]] = mount[1]
		if _, err := os.Stat(filepath.Join("../..", mount[1])); err != nil {
			t.Errorf("docker-compose.yml mounts what is not there: %v", err)
		}
	}
	dashboards := regexp.MustCompile(`path: (\S+)`).FindStringSubmatch(read(t, "provisioning/dashboards/doorward.yml"))
	if dashboards == nil || mounts[dashboards[1]+"/doorward.json"] != "deploy/grafana/doorward.json" {
		t.Errorf("Grafana looks for dashboards in %v, and has %v", dashboards, mounts)
	}
	if mounts["/etc/grafana/provisioning"] != "deploy/grafana/provisioning" || mounts["/etc/prometheus/prometheus.yml"] == "" {
		t.Errorf("docker-compose.yml mounts %v", mounts)
	}
	rules := regexp.MustCompile(`rule_files: \[(\S+)\]`).FindStringSubmatch(read(t, "../prometheus/prometheus.yml"))
	if rules == nil || mounts["/etc/prometheus/"+rules[1]] != "deploy/prometheus/"+rules[1] {
		t.Errorf("Prometheus looks for rules in %v, and has %v", rules, mounts)
	}
	if url := "http://prometheus:9090"; !strings.Contains(read(t, "provisioning/datasources/prometheus.yml"), "url: "+url+"\n") || !strings.Contains(compose, "\n  prometheus:\n") {
		t.Errorf("Grafana does not ask %s, or there is no such service", url)
	}
}

// $__rate_interval follows from the interval that the data source is told.
func TestDataSourceKnowsHowOftenIsScraped(t *testing.T) {
	interval := func(file, name string) string {
		found := regexp.MustCompile(name + `: (\d+s)`).FindStringSubmatch(read(t, file))
		if found == nil {
			t.Fatalf("%s does not say %s", file, name)
		}
		return found[1]
	}
	if told, is := interval("provisioning/datasources/prometheus.yml", "timeInterval"), interval("../prometheus/prometheus.yml", "scrape_interval"); told != is {
		t.Errorf("it is told %s, and is %s", told, is)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
