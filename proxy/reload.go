package proxy

import (
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"doorward/config"
)

// unreadable are the settings whose file holds nothing usable now.
type unreadable struct {
	mu       sync.Mutex
	settings map[string]bool
}

// note records whether a setting's file could be used, and sets success: 0 while any cannot, else 1.
func (u *unreadable) note(setting string, failed bool, success prometheus.Gauge) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.settings == nil {
		u.settings = map[string]bool{}
	}
	if delete(u.settings, setting); failed {
		u.settings[setting] = true
	}
	if len(u.settings) > 0 {
		success.Set(0)
	} else {
		success.Set(1)
	}
}

// Reload looks again at every file that a setting was read from and that may change while doorward runs (config.WatchedFiles). What it finds
// is told to log and metric: a new value counts from now on, and one that cannot be used leaves the last good one in use.
func (p *Proxy) Reload() {
	p.reloading.Lock()
	defer p.reloading.Unlock()
	for _, look := range p.follows {
		look()
	}
}

// follow looks at a setting now, and whenever it may have changed.
func (p *Proxy) follow(look func()) {
	look()
	p.follows = append(p.follows, look)
}

// useSecrets puts cookie secrets into use.
func (p *Proxy) useSecrets(secrets [][]byte) {
	if err := p.sessions.UseSecrets(secrets); err != nil {
		p.reloaded(config.Prefix+"_COOKIE_SECRETS", err)
		return
	}
	for key := range secrets {
		touch(p.metrics.sessionKeyUses, strconv.Itoa(key+1))
	}
}

// reloaded tells of a setting whose file changed, and of one that cannot be used.
func (p *Proxy) reloaded(setting string, err error) {
	p.unreadable.note(setting, err != nil, p.metrics.configReload)
	if err != nil {
		p.log.Warn("config_reload_failed", "setting", setting, "error", err.Error(), "says", "the last good value stays in use")
		return
	}
	p.log.Info("config_reloaded", "setting", setting)
}
