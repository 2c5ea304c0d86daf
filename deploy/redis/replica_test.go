//go:build unix

package redis

import (
	"context"
	"net/http"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"doorward/deploy/programtest"
)

// A replica is one process of doorward. Killed, it can be started again at the same address.
type replica struct {
	Addr, Metrics string

	t      testing.TB
	binary string
	*process
}

// process is one life of a replica.
type process struct {
	program *exec.Cmd
	running context.Context
	killed  bool
}

func newReplica(t testing.TB) *replica {
	t.Helper()
	return &replica{t: t, binary: programtest.Doorward(t, buildFlags...), Addr: programtest.FreeAddr(t), Metrics: programtest.FreeAddr(t)}
}

// Start starts the process. The test fails when it ends by itself, as it does when the race detector finds something.
func (r *replica) Start(settings []string) {
	r.t.Helper()
	p := &process{program: exec.Command(r.binary)}
	p.program.Env = []string{"GORACE=halt_on_error=1"}
	for _, s := range append([]string{"LISTEN_ADDR=" + r.Addr, "METRICS_ADDR=" + r.Metrics}, settings...) {
		p.program.Env = append(p.program.Env, "DOORWARD_"+s)
	}
	p.running = programtest.Run(r.t, p.program)
	r.t.Cleanup(func() {
		if p.running.Err() != nil && !p.killed {
			r.t.Errorf("the replica at %s has ended: %v", r.Addr, p.program.ProcessState)
		}
	})
	r.process = p
}

// AwaitReady returns when the process is ready, with Redis and all.
func (r *replica) AwaitReady() {
	r.t.Helper()
	programtest.Await(r.t, r.running, patience, "a replica to be ready", func() bool { return r.metrics("/readyz") == http.StatusOK })
}

// Kill ends the process as a crash does, and returns when it is gone.
func (r *replica) Kill() {
	r.t.Helper()
	if r.running.Err() != nil {
		r.t.Fatal("a replica has ended before it was killed")
	}
	if err := syscall.Kill(r.program.Process.Pid, syscall.SIGKILL); err != nil {
		r.t.Fatal(err)
	}
	<-r.running.Done()
	r.killed = true
}

// metrics is the status of a page of the metrics listener; 0 for none.
func (r *replica) metrics(path string) int {
	client := http.Client{Timeout: 2 * time.Second}
	answer, err := client.Get("http://" + r.Metrics + path)
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}
