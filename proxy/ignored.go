package proxy

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync"

	"doorward/config"
)

// maxIgnoredPeers bounds for how many peers it is told that their forwarding headers count for nothing. Beyond it nobody is told any
// more: on the open internet anybody may send them.
const maxIgnoredPeers = 1000

// ignoredPeers remembers who was told about.
type ignoredPeers struct {
	mu    sync.Mutex
	known map[netip.Addr]bool
}

// first says whether a peer comes up for the first time.
func (i *ignoredPeers) first(peer netip.Addr) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.known[peer] || len(i.known) >= maxIgnoredPeers {
		return false
	}
	if i.known == nil {
		i.known = map[netip.Addr]bool{}
	}
	i.known[peer] = true
	return true
}

// ignoreForwarded tells the log, once a peer, that its forwarding headers are not believed: most often it is a proxy of one's own that
// TRUSTED_PROXIES lacks, and then all clients look like one.
func (p *Proxy) ignoreForwarded(x *exchange, r *http.Request) {
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Real-Ip"} {
		if r.Header[name] == nil {
			continue
		}
		if p.ignored.first(x.client.peer()) {
			all := []slog.Attr{slog.String("request_id", x.id), slog.String("peer_ip", x.client.peer().String()), slog.String("header", name),
				slog.String("says", "where this peer is a proxy of yours, name it in "+config.Prefix+"_TRUSTED_PROXIES")}
			if id := x.traceID(); id != "" {
				all = append(all, slog.String("trace_id", id))
			}
			p.log.LogAttrs(r.Context(), slog.LevelWarn, "forwarded_headers_ignored", all...)
		}
		return
	}
}
