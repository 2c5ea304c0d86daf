package config

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"doorward/proxy/access"
)

// parseWebURL reads a URL of http or https without a query.
func parseWebURL(text string) (*url.URL, error) {
	u, err := parseURL(text)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("is neither https nor http")
	case u.RawQuery != "" || u.ForceQuery:
		return nil, errors.New("has a query")
	}
	return u, nil
}

// parseURL reads an absolute URL with a host and without credentials or
// fragment. The errors of net/url quote the URL, so none of them is passed on.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || u.Scheme == "":
		return nil, errors.New("is no absolute URL")
	case u.User != nil:
		return nil, errors.New("holds credentials")
	case u.Fragment != "" || strings.Contains(text, "#"):
		return nil, errors.New("has a fragment")
	case u.Scheme != "unix" && !validHost(u.Hostname()):
		return nil, errors.New("has no valid host name (write international names in their xn-- form)")
	case !validPort(u):
		return nil, errors.New("has no valid port")
	}
	return u, nil
}

// normalHost writes host and port as a browser's Origin header does, which has
// one spelling for each IPv6 address.
func normalHost(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host, _ = access.Hostname("[" + host + "]")
	}
	port, _ := strconv.Atoi(u.Port())
	if port == 0 || u.Scheme == "https" && port == 443 || u.Scheme == "http" && port == 80 {
		return host
	}
	return host + ":" + strconv.Itoa(port)
}

func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return len(host) <= 253
}

func validPort(u *url.URL) bool {
	return !strings.HasSuffix(u.Host, ":") && (u.Port() == "" || isPort(u.Port()))
}

func isPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port > 0
}

// plainHTTP reports http beyond loopback.
func plainHTTP(u *url.URL) bool {
	return u.Scheme == "http" && !loopback(u.Hostname())
}

// loopback reports 127.0.0.0/8, ::1, localhost and *.localhost.
func loopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
