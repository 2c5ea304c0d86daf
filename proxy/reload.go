package proxy

import "sync"

// unreadable are the settings whose file holds nothing usable now.
type unreadable struct {
	mu       sync.Mutex
	settings map[string]bool
}

// note says how many there are, once it is known what became of one.
func (u *unreadable) note(setting string, failed bool) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.settings == nil {
		u.settings = map[string]bool{}
	}
	if delete(u.settings, setting); failed {
		u.settings[setting] = true
	}
	return len(u.settings)
}

// reloaded tells of a setting whose file changed, and of one that cannot be used.
func (p *Proxy) reloaded(setting string, err error) {
	if p.unreadable.note(setting, err != nil) > 0 {
		p.metrics.configReload.Set(0)
	} else {
		p.metrics.configReload.Set(1)
	}
	if err != nil {
		p.log.Warn("config_reload_failed", "setting", setting, "error", err.Error(), "says", "the last good value stays in use")
		return
	}
	p.log.Info("config_reloaded", "setting", setting)
}
