package config

import "time"

// longestSession is how long browsers keep any cookie (RFC 6265bis 5.5).
const longestSession = 400 * 24 * time.Hour

func checkSessionMaxAge(c *Config) Problems {
	v := verdict{variable: "SESSION_MAX_AGE"}
	switch {
	case c.SessionMaxAge == 0:
		v.add("0s ends every session before it begins", "write how long one may live, e.g. 12h")
	case c.SessionMaxAge > longestSession:
		v.add("is longer than browsers keep a cookie", "write 9600h or less, e.g. 12h")
	}
	return v.problems
}
