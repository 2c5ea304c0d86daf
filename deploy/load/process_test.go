//go:build unix

// Package load puts doorward, as a process of its own, under load and faults: see README.md.
package load

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"doorward/config"
	"doorward/deploy/programtest"
	"doorward/proxy/providertest"
)

// patience is how long anything may take that has to come about by itself.
const patience = 60 * time.Second

func TestMain(m *testing.M) { programtest.Main(m) }

// installation is a process of doorward between a provider, which it reaches through a door that can be shut, and an application.
type installation struct {
	t           testing.TB
	Addr        string
	Provider    *providertest.Provider
	Door        *door
	Application *httptest.Server

	metrics string
}

func install(t testing.TB) *installation {
	t.Helper()
	i := &installation{t: t, Provider: providertest.New(t), Application: httptest.NewServer(application())}
	t.Cleanup(i.Application.Close)
	issuer, err := url.Parse(i.Provider.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	i.Door = newDoor(t, issuer.Host)
	i.Addr, i.metrics = "127.0.0.1:"+programtest.FreePort(t), "127.0.0.1:"+programtest.FreePort(t)
	program := exec.Command(programtest.Doorward(t))
	for _, setting := range []string{
		"LISTEN_ADDR=" + i.Addr, "METRICS_ADDR=" + i.metrics, "PUBLIC_URL=http://" + i.Addr,
		"UPSTREAMS=" + i.Application.URL + "; /fault/ " + i.Application.URL + " timeout=2s", "ACCESS_RULES=/ authenticated",
		"ISSUER_URL=" + i.Provider.Issuer, "PROVIDER_INTERNAL_URL=http://" + i.Door.Addr,
		"CLIENT_ID=" + providertest.ClientID, "CLIENT_SECRET=" + providertest.ClientSecret,
		"COOKIE_SECRETS=" + config.NewSecret(), "ACCESS_LOG=off", "LOG_LEVEL=error",
	} {
		program.Env = append(program.Env, "DOORWARD_"+setting)
	}
	running := programtest.Run(t, program)
	programtest.Await(t, running, patience, "doorward to listen", func() bool {
		answer, err := http.Get("http://" + i.metrics + "/readyz")
		if err == nil {
			answer.Body.Close()
		}
		return err == nil && answer.StatusCode == http.StatusOK
	})
	return i
}

// usage is what doorward's process holds. Heap is a part of Memory, both in MiB.
type usage struct{ Goroutines, Descriptors, Heap, Memory int }

func (u usage) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %d MiB, %d of it heap", u.Goroutines, u.Descriptors, u.Memory, u.Heap)
}

func (i *installation) usage() usage {
	i.t.Helper()
	answer, err := http.Get("http://" + i.metrics + "/metrics")
	if err != nil {
		i.t.Fatal(err)
	}
	defer answer.Body.Close()
	values := map[string]float64{}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), " "); ok {
			values[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	return usage{int(values["go_goroutines"]), int(values["process_open_fds"]), int(values["go_memstats_heap_alloc_bytes"]) >> 20, int(values["process_resident_memory_bytes"]) >> 20}
}
