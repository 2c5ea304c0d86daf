//go:build linux

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"doorward/deploy/programtest"
)

// Everybody is measured, for a moment. How fast they are is not for a test to say.
func TestEverybodyIsMeasured(t *testing.T) {
	needs(t, "wrk", "redis-server", "nginx", "/usr/sbin/apache2", "/usr/lib/apache2/modules/mod_auth_openidc.so")
	out := measured(t, "-rounds", "2", "-starts", "2", "-duration", "1s")
	for _, name := range []string{bareProxy, bareLarge, "doorward", "doorward, redirect to the login", "doorward, 1 MiB", "doorward, sessions in Redis",
		"doorward, FAST_TRANSPORT", "doorward, forward-auth", "nginx, proxy_pass", "Apache, mod_auth_openidc"} {
		if !strings.Contains(out, "\n| "+name+" | ") {
			t.Errorf("%s is not in the table", name)
		}
	}
	for _, nothing := range []string{"NaN", "Inf", "| 0.0000 |", "| 0 |"} {
		if strings.Contains(out, nothing) {
			t.Errorf("something has no number, but %s", nothing)
		}
	}
	for _, target := range targets() {
		if !strings.Contains(out, "\n| "+target.what+" | ") {
			t.Errorf("nothing is said of %s", target.what)
		}
	}
	if !strings.Contains(out, "idle connections doorward holds") {
		t.Error("idle connections were not measured")
	}
	if t.Failed() {
		t.Log(out)
	}
}

// needs skips the test where a program is missing.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if filepath.IsAbs(program) {
			if _, err := os.Stat(program); err != nil {
				programtest.Missing(t, "apache", err.Error())
			}
			continue
		}
		if _, err := exec.LookPath(program); err != nil {
			programtest.Missing(t, strings.TrimSuffix(program, "-server"), err.Error())
		}
	}
}

// measured runs the benchmark as its command does.
func measured(t *testing.T, args ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "benchmark")
	if output, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("building the benchmark: %v\n%s", err, output)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var out bytes.Buffer
	command := exec.CommandContext(ctx, binary, args...)
	command.Stdout, command.Stderr = &out, &out
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 20 * time.Second
	if err := command.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return out.String()
}

func TestReportOfWrk(t *testing.T) {
	const text = `Running 3s test @ http://127.0.0.1:1/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     4.93ms    5.70ms  63.41ms   89.06%
    Req/Sec    17.92k     3.63k   23.65k    66.67%
  Latency Distribution
     50%    2.75ms
     75%  900.00us
     99%    1.20s
  53344 requests in 3.01s, 61.20MB read
Requests/sec:  17731.61
`
	r, err := readReport(text)
	if want := (report{53344, 3.01, 2.75, 1200}); err != nil || r != want {
		t.Errorf("got %v, %v, want %v", r, err, want)
	}
	for name, text := range map[string]string{
		"answers that are errors": text + "  Non-2xx or 3xx responses: 5\n",
		"lost connections":        text + "  Socket errors: connect 0, read 3, write 0, timeout 0\n",
		"no requests":             strings.ReplaceAll(text, "53344", "0"),
		"something else":          "unable to connect",
	} {
		if r, err := readReport(text); err == nil {
			t.Errorf("%s: %v", name, r)
		}
	}
}

func TestTheTable(t *testing.T) {
	bare, ours := &contender{name: bareProxy}, &contender{name: "doorward", against: bareProxy, target: 1.15}
	results := map[*contender][]sample{bare: {{cpu: 1}, {cpu: 2}, {cpu: 4}}, ours: {{cpu: 1.1}, {cpu: 2}, {cpu: 6}}}
	table := tableOf([]*contender{bare, ours}, results, options{rounds: 3})
	for _, want := range []string{"| bare ReverseProxy | 2.0000 | 1 |  |", "| doorward | 2.0000 | 1.10 (1.05–1.30) | 1.15, met |"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table does not have %q:\n%s", want, table)
		}
	}
	ours.target = 1.05
	if table := tableOf([]*contender{bare, ours}, results, options{rounds: 3}); !strings.Contains(table, "1.05, not met") {
		t.Errorf("a target that was missed looks met:\n%s", table)
	}
}

// A server takes longer to read more: that is not the groups' doing.
func TestATwinsTimeIsTheUnit(t *testing.T) {
	small, large := &contender{name: "small twin"}, &contender{name: "large twin"}
	few := &contender{name: "few", twin: small.name}
	many := &contender{name: "many", twin: large.name, against: few.name}
	results := map[*contender][]sample{small: {{cpu: 1}}, large: {{cpu: 2}}, few: {{cpu: 1.5}}, many: {{cpu: 3.3}}}
	if got := ratioOf(many, []*contender{small, large, few, many}, results); got != "1.10 (1.10–1.10)" {
		t.Errorf("3.3 of 2 to 1.5 of 1 is %s", got)
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, args := range []string{"-rounds 0", "-starts 0", "-duration 500ms", "-duration 1500ms", "more", "-unknown", "-write -only nginx"} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%s is taken", args)
		}
	}
}
