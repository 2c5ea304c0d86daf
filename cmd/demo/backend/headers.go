package backend

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// header is a row of the table of what arrived.
type header struct {
	Name, Value, Means string
	// Identity says that doorward set it: it tells who is calling, or how.
	Identity bool
}

// headersOf lists the request's headers, those of doorward first.
func headersOf(r *http.Request) []header {
	var ours, others []header
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		row := header{Name: name, Value: shorten(name, r.Header[name]), Means: headerMeaning(name)}
		if row.Means == "" {
			others = append(others, row)
			continue
		}
		row.Identity = true
		ours = append(ours, row)
	}
	return slices.Concat(ours, others)
}

// shorten shows a header's value, but of credentials no more than tells them apart.
func shorten(name string, values []string) string {
	value := strings.Join(values, ", ")
	switch name {
	case "Authorization":
		scheme, token, _ := strings.Cut(value, " ")
		if len(token) > 40 {
			return fmt.Sprintf("%s %s… (%d characters)", scheme, token[:12], len(token))
		}
		return scheme + " …"
	case "X-Doorward-Assertion":
		return fmt.Sprintf("%.12s… (%d characters)", value, len(value))
	case "Cookie":
		var names []string
		for _, cookie := range strings.Split(strings.Join(values, "; "), ";") {
			name, _, _ := strings.Cut(strings.TrimSpace(cookie), "=")
			names = append(names, name+"=…")
		}
		return strings.Join(names, "; ")
	}
	return value
}

// headerMeaning explains the headers that doorward sets.
func headerMeaning(name string) string {
	switch name {
	case "X-Forwarded-User":
		return "who you are: the subject"
	case "X-Forwarded-Email":
		return "your e-mail address, when the provider vouches for it"
	case "X-Forwarded-Groups":
		return "your groups, comma separated"
	case "X-Forwarded-Preferred-Username":
		return "what you like to be called"
	case "X-Doorward-Assertion":
		return "who you are, signed by doorward for this application"
	case "Authorization":
		return "your access token"
	case "X-Forwarded-For":
		return "the address you came from"
	case "X-Forwarded-Host":
		return "the host that you asked for"
	case "X-Forwarded-Proto":
		return "http or https, as your browser sees it"
	case "X-Request-Id":
		return "names this request in doorward's log too"
	}
	return ""
}
