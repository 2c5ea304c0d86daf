package config

import (
	"fmt"
	"slices"
	"time"
)

// Bounds of MAX_HEADER_BYTES. Between the session's cookies and the head as a whole there has to be room for the rest of it; above, a
// head is an attack.
const (
	otherHeaderBytes = 4 << 10
	mostHeaderBytes  = 1 << 20
)

func checkLimits(c *Config) Problems {
	header := verdict{variable: "MAX_HEADER_BYTES"}
	least := min(c.SessionCookieMaxBytes, MostCookieBytes) + otherHeaderBytes // more is a problem of its own
	if c.MaxHeaderBytes < least || c.MaxHeaderBytes > mostHeaderBytes {
		header.add(fmt.Sprintf("%d is out of bounds", c.MaxHeaderBytes),
			fmt.Sprintf("write a size from %d (%s_SESSION_COOKIE_MAX_BYTES and 4096 for the other headers) to %d, e.g. 64KiB", least, Prefix, mostHeaderBytes))
	}
	connections := verdict{variable: "MAX_CONNECTIONS"}
	if c.MaxConnections < 0 {
		connections.add("is less than nothing", "write a number, e.g. 10000, or 0 for no limit")
	}
	return slices.Concat(header.problems, checkMoreThanNothing("HEADER_TIMEOUT", c.HeaderTimeout),
		checkMoreThanNothing("IDLE_TIMEOUT", c.IdleTimeout), connections.problems)
}

// checkMoreThanNothing: to net/http, a timeout of nothing is none.
func checkMoreThanNothing(variable string, d time.Duration) Problems {
	v := verdict{variable: variable}
	if d == 0 {
		v.add("is 0s: clients that stall would hold their connections for ever", "write e.g. "+settingOf(variable).fallback)
	}
	return v.problems
}

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
