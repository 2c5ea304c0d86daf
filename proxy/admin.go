package proxy

import (
	"io"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Admin is the handler of the metrics listener: /metrics, /healthz (the process runs) and /readyz (send it traffic), neither of which
// says why not: causes are in the log. With ADMIN_TOKEN it has /sessions/revoke too (revoke.go).
func (p *Proxy) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.metrics.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { health(w, true) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { health(w, p.ready(r)) })
	if p.config.AdminToken != "" {
		mux.HandleFunc("/sessions/revoke", p.revokeSessions)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noStore(w.Header())
		mux.ServeHTTP(newExchange(w, r, p.config.IdleTimeout), r) // which sees to it that the answer is read
	})
}

// ready says whether traffic is welcome. Asking for a provider that is required makes doorward look for it.
func (p *Proxy) ready(r *http.Request) bool {
	if p.draining.Load() {
		return false
	}
	if slices.Contains(p.config.ReadyRequires, "redis") && !p.sessions.Reachable() {
		return false
	}
	return !slices.Contains(p.config.ReadyRequires, "provider") || p.provider.Ready(r.Context()) == nil
}

// healthz answers load balancers that probe the public listener, under any host: while doorward ends, that they are to send no more.
func (p *Proxy) healthz(x *exchange, r *http.Request) error {
	x.rule = p.ownRule()
	if err := readOnly(r); err != nil {
		return err
	}
	x.outcome = "healthz"
	x.refuseBody(r)
	noStore(x.Header())
	health(x, !p.draining.Load())
	return nil
}

func health(w http.ResponseWriter, well bool) {
	status, word := http.StatusOK, "ok\n"
	if !well {
		status, word = http.StatusServiceUnavailable, "unavailable\n"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, word)
}
