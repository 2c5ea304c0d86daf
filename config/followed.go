package config

import (
	"slices"
	"strings"

	"doorward/proxy/access"
)

// What changes while doorward runs, when it came from a file: see follow. Whatever else is changed counts from the next start.

// followable names the settings that do, without prefix.
func followable() []string {
	return []string{"ACCESS_RULES", "COOKIE_SECRETS", "CLIENT_SECRET", "CLIENT_KEY", "PROVIDER_CA", "ASSERTION_KEYS", "TLS_CERT", "TLS_KEY", "ADMIN_TOKEN", "REDIS_PASSWORD"}
}

// followedFiles are the files that hold these settings, by the settings' names.
func followedFiles() map[string]string {
	var files map[string]string
	for _, name := range followable() {
		if path := fileOf(name); path != "" {
			if files == nil {
				files = map[string]string{}
			}
			files[name] = path
		}
	}
	return files
}

// WatchedFiles returns the paths of the files whose changes count while doorward runs, those that UPSTREAMS names among them.
func (c *Config) WatchedFiles() []string {
	var paths []string
	for _, name := range followable() {
		paths = append(paths, c.files[name])
	}
	upstreams, _ := c.upstreams()
	for _, u := range upstreams {
		paths = append(paths, u.TLS.CA, u.TLS.Cert, u.TLS.Key)
	}
	slices.Sort(paths)
	return slices.DeleteFunc(slices.Compact(paths), func(path string) bool { return path == "" })
}

// FollowPolicy returns a function that gives the rules as they are now, compiled as [Config.Policy] does: see follow.
func (c *Config) FollowPolicy(notice func(variable string, err error)) func() *access.Policy {
	read := func(text string) (*access.Policy, Problems) {
		changed := *c
		changed.AccessRules = text
		if problems := changed.ruleProblems().Of("ACCESS_RULES"); problems != nil {
			return nil, problems // of their own, and with the names of groups
		}
		policy, _ := changed.Policy()
		return policy, nil
	}
	return follow(c, "ACCESS_RULES", c.AccessRules, read, notice)
}

// FollowSecrets returns a function that gives the cookie secrets as they are now, decoded: see follow.
func (c *Config) FollowSecrets(notice func(variable string, err error)) func() [][]byte {
	read := func(text string) ([][]byte, Problems) {
		return (&Config{CookieSecrets: strings.Split(text, ",")}).secrets()
	}
	return follow(c, "COOKIE_SECRETS", strings.Join(c.CookieSecrets, ","), read, notice)
}

// FollowAdminToken returns a function that gives ADMIN_TOKEN as it is now: see follow.
func (c *Config) FollowAdminToken(notice func(variable string, err error)) func() string {
	read := func(text string) (string, Problems) { return text, checkAdminToken(&Config{AdminToken: text}) }
	return follow(c, "ADMIN_TOKEN", c.AdminToken, read, notice)
}

// FollowProviderCA returns a function that gives PROVIDER_CA as it is now: see follow.
func (c *Config) FollowProviderCA(notice func(variable string, err error)) func() string {
	read := func(text string) (string, Problems) { return text, checkProviderCA(&Config{ProviderCA: text}) }
	return follow(c, "PROVIDER_CA", c.ProviderCA, read, notice)
}

// FollowRedisPassword returns a function that gives REDIS_PASSWORD as it is now: see follow. It is asked for with each connection to Redis.
func (c *Config) FollowRedisPassword(notice func(variable string, err error)) func() string {
	read := func(text string) (string, Problems) { return text, checkRedisPassword(&Config{RedisPassword: text}) }
	return follow(c, "REDIS_PASSWORD", c.RedisPassword, read, notice)
}
