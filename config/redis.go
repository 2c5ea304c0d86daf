package config

// Where replicas share what one of them alone would remember. rueidis reads REDIS_URL and is generous about it: a
// parameter that it does not know means nothing, an addr without a port is the first host again, skip_verify takes
// anybody's certificate. So everything that the URL holds is looked at here, and no message shows any of it.

import (
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/redis/rueidis"
)

// UsesRedis reports whether sessions, revocations or refresh locks are shared through Redis.
func (c *Config) UsesRedis() bool { return c.RedisURL != "" }

// KeepsSessionsInRedis reports where sessions live: in Redis, or in their cookies.
func (c *Config) KeepsSessionsInRedis() bool {
	return c.UsesRedis() && c.SessionStore != "cookie"
}

func checkRedis(c *Config) Problems {
	if !c.UsesRedis() {
		return withoutRedis(c)
	}
	return slices.Concat(checkRedisURL(c), checkRedisPassword(c), checkRedisCA(c), checkRedisPrefix(c), checkOneMemory(c))
}

// withoutRedis reports the settings that mean nothing without REDIS_URL.
func withoutRedis(c *Config) Problems {
	var problems Problems
	for variable, idle := range map[string]bool{
		"SESSION_STORE":      c.SessionStore != "redis",
		"REDIS_PASSWORD":     c.RedisPassword == "",
		"REDIS_CA":           c.RedisCA == "",
		"REDIS_PREFIX":       c.RedisPrefix == settingOf("REDIS_PREFIX").fallback,
		"REDIS_OUTAGE_GRACE": c.RedisOutageGrace == Defaults().RedisOutageGrace,
		"READY_REQUIRES":     !slices.Contains(c.ReadyRequires, "redis"),
	} {
		v := verdict{variable: variable}
		if !idle {
			v.add("needs "+Prefix+"_REDIS_URL", "set that too, e.g. "+Prefix+"_REDIS_URL="+settingOf("REDIS_URL").example+", or leave this one out")
		}
		problems = append(problems, v.problems...)
	}
	return problems
}

func checkRedisURL(c *Config) Problems {
	v := verdict{variable: "REDIS_URL"}
	u, err := url.Parse(c.RedisURL)
	option, unread := rueidis.ParseURL(c.RedisURL)
	switch {
	case strings.Contains(c.RedisURL, "#"):
		v.add("holds a #", "write it as %23, or put the password into "+Prefix+"_REDIS_PASSWORD")
	case err != nil || u.Opaque != "":
		v.add("is no URL", "write e.g. redis://redis:6379; in user and password percent-encode what is neither letter nor digit, or use "+Prefix+"_REDIS_PASSWORD")
	case u.Scheme != "redis" && u.Scheme != "rediss":
		v.add("is neither redis nor rediss", "write e.g. redis://redis:6379, or rediss:// for TLS")
	case !validHost(u.Hostname()) || !validPort(u):
		v.add("has no valid host and port", "write e.g. redis://redis:6379; in user and password percent-encode what is neither letter nor digit")
	case unread != nil || option.SelectDB < 0:
		v.add("has a path that is no database number", "leave it out, or write the number alone, e.g. redis://redis:6379/1")
	case option.Username != "" && option.Password == "" && c.RedisPassword == "":
		v.add("names a user and no password", "write redis://user:password@…, redis://:password@… where there is no user, or set "+Prefix+"_REDIS_PASSWORD")
	default:
		checkRedisParameters(&v, u, option)
	}
	return v.problems
}

// checkRedisParameters lets pass what names servers: addr for Cluster, master_set for Sentinel.
func checkRedisParameters(v *verdict, u *url.URL, option rueidis.ClientOption) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		v.add("has a query that does not parse", "write ?addr=host:port&addr=host:port for Cluster, ?master_set=name for Sentinel")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if name != "addr" && name != "master_set" {
			v.add("has parameters that doorward does not know", "use addr (Cluster) and master_set (Sentinel) alone; timeouts, certificates and caching are doorward's")
			break
		}
	}
	for _, address := range query["addr"] {
		checkRedisAddress(v, address)
	}
	if masters := query["master_set"]; len(masters) > 1 || len(masters) == 1 && masters[0] == "" {
		v.add("has no master_set or several", "write the one name that the Sentinels know, e.g. redis://sentinel:26379?master_set=mymaster")
	}
	// Redis Cluster has one database, and rueidis takes several servers without master_set for a Cluster.
	if query.Has("addr") && !query.Has("master_set") && option.SelectDB != 0 {
		v.add("names a database of a Cluster, which has only one", "leave the number out")
	}
}

func checkRedisAddress(v *verdict, address string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !validHost(host) || !isPort(port) {
		v.add("has an addr that is no host:port", "write each with its port, e.g. redis://redis-1:6379?addr=redis-2:6379")
	}
}

func checkRedisPassword(c *Config) Problems {
	v := verdict{variable: "REDIS_PASSWORD"}
	option, _ := rueidis.ParseURL(c.RedisURL)
	if c.RedisPassword != "" && option.Password != "" && c.RedisPassword != option.Password {
		v.add("is another password than that in "+Prefix+"_REDIS_URL", "leave one of them out")
	}
	if placeholder(c.RedisPassword) {
		v.add("is a placeholder", "write the password that Redis asks for, or leave it out where it asks for none")
	}
	return v.problems
}

func checkRedisCA(c *Config) Problems {
	v := verdict{variable: "REDIS_CA"}
	if c.RedisCA == "" {
		return nil
	}
	if err := checkCertificates([]byte(c.RedisCA)); err != nil {
		v.add(err.Error(), "give the certificates in PEM; "+Prefix+"_REDIS_CA_FILE names a file of them")
	} else if !strings.HasPrefix(c.RedisURL, "rediss:") {
		v.add("is of no use without TLS", "write rediss:// in "+Prefix+"_REDIS_URL, or leave it out")
	}
	return v.problems
}

// checkRedisPrefix: of a key with braces, Redis Cluster looks at nothing else to choose the server, and that is doorward's to say.
func checkRedisPrefix(c *Config) Problems {
	v := verdict{variable: "REDIS_PREFIX"}
	odd := strings.ContainsFunc(c.RedisPrefix, func(r rune) bool { return r <= ' ' || r > '~' || r == '{' || r == '}' })
	if odd || c.RedisPrefix == "" || len(c.RedisPrefix) > 64 {
		v.add(quote(c.RedisPrefix)+" is no prefix of keys", "write letters, digits and punctuation but for braces (64 at most), e.g. "+settingOf("REDIS_PREFIX").fallback)
	}
	return v.problems
}

// checkOneMemory: revocations are kept in one place, so that nobody looks for them in the other.
func checkOneMemory(c *Config) Problems {
	v := verdict{variable: "REVOCATIONS_PATH"}
	if c.RevocationsPath != "" {
		v.add("is set, and so is "+Prefix+"_REDIS_URL: Redis keeps the revocations", "leave one of them out")
	}
	return v.problems
}

// redisNotes: what doorward stores is sealed, but the password opens the whole of Redis to whoever listens.
func (c *Config) redisNotes() []string {
	option, err := rueidis.ParseURL(c.RedisURL)
	if err != nil || option.TLSConfig != nil || option.Password == "" && c.RedisPassword == "" {
		return nil
	}
	for _, address := range option.InitAddress {
		if host, _, _ := net.SplitHostPort(address); !loopback(host) {
			return []string{Prefix + "_REDIS_URL is plain redis:// beyond loopback: the password travels in the clear; rediss:// is TLS"}
		}
	}
	return nil
}
