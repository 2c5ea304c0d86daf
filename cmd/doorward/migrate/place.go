package migrate

import (
	"net"
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// publicURL writes the origin that browsers use, and the path of the endpoints. oauth2-proxy took the origin from the request where
// redirect_url did not say; doorward never does.
func (m *Migration) publicURL() {
	prefix := path.Clean("/" + m.text("proxy_prefix"))
	u, err := url.Parse(m.text("redirect_url"))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		m.fillIn("PUBLIC_URL", "https://app.example.com", "write the origins that browsers use; it was not in redirect_url, and is never taken from a request")
	default:
		m.set("PUBLIC_URL", u.Scheme+"://"+u.Host, "redirect_url")
		if u.Path != prefix+"/callback" && strings.Trim(u.Path, "/") != "" {
			m.change("redirect_url: register %s://%s%s/callback at the provider", u.Scheme, u.Host, prefix)
		}
		if plainHTTP(u.String()) {
			m.todo("PUBLIC_URL is plain http: use https, or set INSECURE_PUBLIC_HTTP=true (cookies and pages then travel in the clear)")
		}
	}
	switch {
	case prefix == "/oauth2":
	case prefix == "/" || !plainPath(prefix) || strings.ContainsAny(prefix, "@+:"):
		m.todo("ENDPOINT_PREFIX: proxy_prefix is no plain path below /")
	default:
		m.set("ENDPOINT_PREFIX", prefix, "proxy_prefix")
	}
}

// proxies writes who is believed about clients. oauth2-proxy believed everybody unless it was told.
func (m *Migration) proxies() {
	var trusted []string
	for _, text := range m.list("trusted_proxy_ips") {
		network, err := parseNetwork(text)
		switch {
		case err != nil:
			m.todo("trusted_proxy_ips: one is no address and no network")
		case network.Bits() == 0:
			m.change("trusted_proxy_ips: %s is everybody, and is left out", text)
		default:
			trusted = append(trusted, network.Masked().String())
		}
	}
	switch {
	case len(trusted) > 0:
		m.set("TRUSTED_PROXIES", strings.Join(trusted, ","), "trusted_proxy_ips")
	case m.front != "":
		m.fillIn("TRUSTED_PROXIES", "127.0.0.1", "write the address or the network of the server in front; nobody else may ask /oauth2/auth")
	case m.is("reverse_proxy"):
		m.change("reverse_proxy: the X-Forwarded-For of nobody is believed until TRUSTED_PROXIES names the server in front; oauth2-proxy believed everybody's")
	}
}

// parseNetwork reads an address or a network.
func parseNetwork(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

// listeners writes the addresses. What was reachable from this machine alone stays so.
func (m *Migration) listeners() {
	option := "http_address"
	if m.given("tls_cert_file") || m.given("tls_key_file") {
		option = "https_address"
		m.set("TLS_CERT_FILE", m.text("tls_cert_file"), "tls_cert_file")
		m.set("TLS_KEY_FILE", m.text("tls_key_file"), "tls_key_file")
	}
	text := m.text(option)
	if address, ok := hostPort(text); ok {
		m.set("LISTEN_ADDR", address, option)
	} else if strings.HasPrefix(strings.ToLower(text), "fd:") {
		m.change("%s: the socket that systemd hands over is told by its name, FileDescriptorName=public in its unit; LISTEN_ADDR stays unset", option)
	} else {
		m.fillIn("LISTEN_ADDR", "127.0.0.1:4180", option+" is no host:port; doorward listens on TCP (without it on :4180, for everybody)")
	}
	address, ok := hostPort(m.text("metrics_address"))
	switch {
	case ok:
		m.set("METRICS_ADDR", address, "metrics_address")
	case m.given("metrics_address"):
		m.fillIn("METRICS_ADDR", "127.0.0.1:9180", "metrics_address is no host:port (without it :9180, for everybody)")
	default:
		m.set("METRICS_ADDR", "127.0.0.1:9180", "metrics_address was unset: for this machine alone")
	}
}

// hostPort reads [http://]host:port; a socket, of the file system or handed over (fd:3), is none.
func hostPort(text string) (address string, ok bool) {
	text = strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(text), "http://"), "https://")
	host, port, err := net.SplitHostPort(text)
	return text, err == nil && port != "" && host != "fd" && !strings.Contains(text, "/")
}

// logs writes what is logged.
func (m *Migration) logs() {
	if !m.is("request_logging") {
		m.set("ACCESS_LOG", "off", "request_logging")
	}
}
