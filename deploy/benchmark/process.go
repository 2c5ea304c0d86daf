//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program that runs for as long as it is measured, with the processes that it starts itself: they share a process group.
type process struct {
	name    string
	command *exec.Cmd
	log     string        // the file that it writes to
	metrics string        // the address at which a Go program tells Prometheus of itself; "" where it does not
	ended   chan struct{} // is closed when it has ended
}

// start starts a program whose output goes to a file, as a service's does.
func (l *lab) start(name string, environment []string, program string, args ...string) (*process, error) {
	p := &process{name: name, command: exec.Command(program, args...), log: filepath.Join(l.folder, name+".log"), ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) // what is emptied is written to from its beginning again
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.command.Env = append(os.Environ(), environment...)
	p.command.Stdout, p.command.Stderr = log, log
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	l.processes = append(l.processes, p)
	go func() {
		defer close(p.ended)
		_ = p.command.Wait()
	}()
	return p, nil
}

// await waits until something is so, for as long as the process lives, and for half a minute at most.
func (p *process) await(ctx context.Context, so func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !so() {
		select {
		case <-ticker.C:
		case <-p.ended:
			return fmt.Errorf("%s ended: %s", p.name, p.said())
		case <-ctx.Done():
			return fmt.Errorf("%s did not start: %s", p.name, p.said())
		}
	}
	return nil
}

// said is the end of what a process wrote.
func (p *process) said() string {
	text, _ := os.ReadFile(p.log)
	return strings.TrimSpace(string(text[max(0, len(text)-2000):]))
}

// stop ends a process and those that it started.
func (p *process) stop() {
	select {
	case <-p.ended:
		return // its number may be another's by now
	default:
	}
	_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

// members are the processes of the group.
func (p *process) members() (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		fields, err := statFields(path)
		if err == nil && fields[2] == strconv.Itoa(p.command.Process.Pid) {
			pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

// clockTick is the unit of CPU times in /proc (proc(5)); it is this on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// cpu is the time that a process and those that it started have computed.
func (p *process) cpu() (total time.Duration) {
	for _, pid := range p.members() {
		fields, err := statFields(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		total += time.Duration(user+system) * clockTick
	}
	return total
}

// mallocs is how often a Go program has allocated memory; 0 for one that has no metrics.
func (p *process) mallocs() (float64, error) {
	if p.metrics == "" {
		return 0, nil
	}
	_, text, err := read(http.Get("http://" + p.metrics + "/metrics"))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(text, "\n"+mallocsName+" ")
	value, _, _ := strings.Cut(after, "\n")
	n, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return 0, fmt.Errorf("%s does not tell %s: %w", p.name, mallocsName, err)
	}
	return n, nil
}

// mallocsName is what client_golang calls it.
const mallocsName = "go_memstats_mallocs_total"

// statFields are the fields of a stat file behind the name, which may hold blanks: state, parent, group…
func statFields(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return nil, fmt.Errorf("reading %s: too short", path)
	}
	return fields, nil
}

// memory is what a process and those that it started hold, in MiB; what they share is counted once (Pss).
func (p *process) memory() float64 {
	kilobytes := 0
	for _, pid := range p.members() {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		for line := range strings.Lines(string(text)) {
			if rest, found := strings.CutPrefix(line, "Pss:"); found {
				n, _ := strconv.Atoi(strings.Fields(rest)[0])
				kilobytes += n
			}
		}
	}
	return float64(kilobytes) / 1024
}
