//go:build unix

package watchtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"doorward/deploy/programtest"
)

// A Prometheus scrapes an installation every second.
type Prometheus struct {
	t       testing.TB
	addr    string
	running context.Context
}

// Find is a program of Prometheus's, prometheus or promtool, in PATH.
func Find(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		programtest.Missing(t, "prometheus", "no "+program+" in PATH (Debian: apt-get install prometheus)")
	}
	return path
}

// Prometheus starts one with the configuration of a folder, in which the target is the installation's, and returns when it has scraped it.
func (i *Installation) Prometheus(folder string) *Prometheus {
	i.t.Helper()
	program := Find(i.t, "prometheus")
	own := i.t.TempDir()
	for _, name := range []string{"prometheus.yml", "alerts.yml"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			i.t.Fatal(err)
		}
		write(i.t, filepath.Join(own, name), strings.NewReplacer("doorward:9180", i.MetricsAddr,
			"scrape_interval: 5s", "scrape_interval: 1s", "evaluation_interval: 15s", "evaluation_interval: 1s").Replace(string(text)))
	}
	p := &Prometheus{t: i.t, addr: programtest.FreeAddr(i.t)}
	p.running = programtest.Run(i.t, exec.Command(program, "--config.file="+filepath.Join(own, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(own, "data"), "--web.listen-address="+p.addr, "--log.level=warn"))
	programtest.Await(i.t, p.running, patience, "Prometheus to answer", func() bool {
		_, err := p.query("vector(1)")
		return err == nil
	})
	p.Await(`up{job="doorward"} == 1`)
	return p
}

// Await returns when an expression has a series.
func (p *Prometheus) Await(expression string) {
	p.t.Helper()
	programtest.Await(p.t, p.running, patience, expression, func() bool { return len(p.Query(expression)) > 0 })
}

// A Sample is one series of an answer, at one moment.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// Query evaluates an expression now.
func (p *Prometheus) Query(expression string) []Sample {
	p.t.Helper()
	samples, err := p.query(expression)
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return samples
}

func (p *Prometheus) query(expression string) ([]Sample, error) {
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	if err := p.api("/query?query="+url.QueryEscape(expression), &data); err != nil {
		return nil, err
	}
	var samples []Sample
	for _, result := range data.Result {
		var value float64
		if _, err := fmt.Sscan(fmt.Sprint(result.Value[1]), &value); err != nil {
			return nil, err
		}
		samples = append(samples, Sample{result.Metric, value})
	}
	return samples, nil
}

// API asks Prometheus's HTTP API, and reads the data of its answer.
func (p *Prometheus) API(path string, data any) {
	p.t.Helper()
	if err := p.api(path, data); err != nil {
		p.t.Fatal(err)
	}
}

func (p *Prometheus) api(path string, data any) error {
	text, err := get("http://" + p.addr + "/api/v1" + path)
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if decoded := json.Unmarshal([]byte(text), &answer); decoded != nil {
		return fmt.Errorf("%v: %.500s", err, text)
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", answer.Status, answer.Error)
	}
	return nil
}

// Scrapes returns after so many further scrapes.
func (p *Prometheus) Scrapes(n int) {
	p.t.Helper()
	count := func() float64 { return p.Query(`count_over_time(up{job="doorward"}[1h])`)[0].Value }
	enough := count() + float64(n)
	programtest.Await(p.t, p.running, patience, "further scrapes", func() bool { return count() >= enough })
}
