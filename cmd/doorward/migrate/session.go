package migrate

import (
	"net"
	"net/url"
	"strings"
	"time"

	"doorward/config"
)

// cookies writes the secret, which is a fresh one: a session of oauth2-proxy opens nowhere else, and its secret may be text.
func (m *Migration) cookies() {
	m.Settings = append(m.Settings, Setting{Name: "COOKIE_SECRETS", Value: config.NewSecret(), From: "a fresh one; every replica needs the same"})
	if name := m.text("cookie_name"); name != "_oauth2_proxy" && name != "" {
		m.set("COOKIE_NAME", name, "cookie_name")
		if !strings.HasPrefix(name, "__Host-") {
			m.change("COOKIE_NAME: without it the cookie is __Host-doorward, which no other host can set")
		}
	}
	m.cookieDomain()
	switch mode := strings.ToLower(m.text("cookie_samesite")); mode {
	case "":
	case "lax", "strict", "none":
		if mode != "lax" {
			m.set("COOKIE_SAMESITE", mode, "cookie_samesite")
		}
	default:
		m.todo("cookie_samesite is neither lax, strict nor none")
	}
}

// cookieDomain is for one domain that all origins are in.
func (m *Migration) cookieDomain() {
	domains := m.list("cookie_domains")
	if len(domains) == 0 {
		return
	}
	domain := strings.TrimPrefix(domains[0], ".")
	u, err := url.Parse(m.text("redirect_url"))
	if len(domains) > 1 || err != nil || u.Hostname() != domain && !strings.HasSuffix(u.Hostname(), "."+domain) {
		m.lose("cookie_domains: one login for sibling hosts needs one domain, that of every PUBLIC_URL; until then a session is for one host")
		return
	}
	if u.Hostname() == domain && len(m.list("whitelist_domains")) == 0 {
		m.change("cookie_domains: the cookie is for the host of PUBLIC_URL alone, which is narrower and needs no domain")
		return
	}
	m.set("COOKIE_DOMAIN", domain, "cookie_domains")
}

// longest is how long a session lives unless SESSION_MAX_AGE says more.
const longest = 12 * time.Hour

// sessions writes how long a session lives, where that is not longer than doorward's own measure.
func (m *Migration) sessions() {
	span, ok := m.lasts("cookie_expire")
	switch {
	case ok && span > 0 && span < longest:
		m.set("SESSION_MAX_AGE", m.text("cookie_expire"), "cookie_expire")
	case !ok || span != longest:
		m.change("no session lives longer than 12h, however it is used; SESSION_MAX_AGE says otherwise (cookie_expire was %s, and began anew at each refresh)", m.text("cookie_expire"))
	}
}

// redis writes where sessions live.
func (m *Migration) redis() {
	switch m.text("session_store_type") {
	case "cookie":
		return
	case "redis":
	default:
		m.todo("session_store_type: sessions live in cookies or in Redis (REDIS_URL)")
		return
	}
	address, ok := m.redisURL()
	if !ok {
		m.fillIn("REDIS_URL", "redis://redis:6379", "the address of Redis could not be taken over; sessions live in cookies until it is there")
		return
	}
	m.set("REDIS_URL", address, "redis_connection_url", "redis_sentinel_connection_urls", "redis_sentinel_master_name", "redis_cluster_connection_urls", "redis_username")
	if password := m.text("redis_password"); password != "" {
		m.set("REDIS_PASSWORD", password, "redis_password")
	}
	if path := m.text("redis_ca_path"); path != "" && strings.HasPrefix(address, "rediss:") {
		m.set("REDIS_CA_FILE", path, "redis_ca_path")
	}
}

// redisServers are the addresses of Redis, of its Sentinels, or of the servers of a Cluster.
func (m *Migration) redisServers() []string {
	switch {
	case m.is("redis_use_sentinel"):
		return m.list("redis_sentinel_connection_urls")
	case m.is("redis_use_cluster"):
		return m.list("redis_cluster_connection_urls")
	}
	return m.list("redis_connection_url")
}

// redisURL names all servers in one URL: the first of them, and the others as parameters.
func (m *Migration) redisURL() (address string, ok bool) {
	servers := m.redisServers()
	if len(servers) == 0 {
		return "", false
	}
	first, err := url.Parse(servers[0])
	if err != nil || first.Scheme != "redis" && first.Scheme != "rediss" {
		return "", false
	}
	query := url.Values{}
	for _, server := range servers[1:] {
		u, err := url.Parse(server)
		if err != nil || u.Host == "" {
			return "", false
		}
		query.Add("addr", withPort(u))
	}
	if m.is("redis_use_sentinel") {
		query.Set("master_set", m.text("redis_sentinel_master_name"))
	} else if m.is("redis_use_cluster") && len(servers) == 1 { // several servers without a master's name are a Cluster
		query.Add("addr", withPort(first))
	}
	first.RawQuery = query.Encode()
	m.redisUser(first)
	return first.String(), true
}

// withPort is the address of a server, with Redis' own port where it names none.
func withPort(u *url.URL) string {
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "6379")
	}
	return u.Host
}

// redisUser puts the user into the URL, and takes a password out that redis_password overrides.
func (m *Migration) redisUser(u *url.URL) {
	name, password := u.User.Username(), m.text("redis_password")
	inURL, set := u.User.Password()
	if user := m.text("redis_username"); user != "" {
		name = user
	}
	switch {
	case password != "" && name != "":
		u.User = url.User(name)
	case password != "":
		u.User = nil
	case set:
		u.User = url.UserPassword(name, inURL)
	case name != "":
		u.User = url.User(name)
	}
}
