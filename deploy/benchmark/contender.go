//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// contender is somebody who is measured, at one kind of request.
type contender struct {
	name    string
	against string  // whose CPU time the ratio is of; "" for the bare proxies themselves
	twin    string  // a bare proxy with requests of the same size, whose CPU time is taken as this one's unit; "" for plain time
	target  float64 // of that ratio, at most; 0 for none
	process *process
	url     string
	headers []string // of the request
	status  int      // of its answer
	leads   string   // what the address begins with that its answer redirects to; "" for no redirect
	echo    string   // a path that shows what the upstream got; "" where that is not asked
	script  string   // of wrk
	clients int      // 0 for the usual number
}

// errMissing says that a contender's program is not here.
var errMissing = errors.New("left out")

const (
	bareProxy   = "bare ReverseProxy"
	bareLarge   = "bare ReverseProxy, 1 MiB"
	apacheProxy = "Apache, mod_auth_openidc"

	doorwardCookies = "doorward"
	doorwardLarge   = "doorward, 1 MiB"
	doorwardRedis   = "doorward, sessions in Redis"
	doorwardFast    = "doorward, FAST_TRANSPORT"
)

// contenders starts everybody who is wanted and can be had, and lets them prove that they do what they are measured at.
func (l *lab) contenders() (all []*contender, err error) {
	starters := []func() ([]*contender, error){
		l.bare, l.cookieStore, l.redisStore, l.fastTransport, l.forwardAuth, l.nginx, l.apache,
	}
	if l.options.scaling {
		starters = []func() ([]*contender, error){l.manyRules, l.manySessions, l.manyGroups}
	}
	for _, start := range starters {
		some, err := start()
		if errors.Is(err, errMissing) {
			l.say("%v", err)
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, c := range some {
			if !l.options.matches(c) {
				continue
			}
			if err := c.prove(); err != nil {
				return nil, err
			}
			l.say("%s answers as it should", c.name)
			all = append(all, c)
		}
	}
	return all, nil
}

// prove asks once, and looks at the answer, and at what the upstream got.
func (c *contender) prove() error {
	answer, body, err := c.ask(c.url)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	if answer.StatusCode != c.status {
		return fmt.Errorf("%s answers %s: %.200s", c.name, answer.Status, body)
	}
	if to := answer.Header.Get("Location"); !strings.HasPrefix(to, c.leads) {
		return fmt.Errorf("%s redirects to %q, and not to %s", c.name, to, c.leads)
	}
	if size := len(body); c.status == http.StatusOK && size != 1<<10 && size != 1<<20 {
		return fmt.Errorf("%s answers with %d bytes, which are not the upstream's", c.name, size)
	}
	if c.echo == "" {
		return nil
	}
	_, got, err := c.ask(c.echo)
	if err != nil {
		return err
	}
	for _, header := range []string{"X-Forwarded-User: alice", "X-Forwarded-Groups: Admin,Dev", "Authorization: Bearer ey"} {
		if !strings.Contains(got, header) {
			return fmt.Errorf("%s does not send %q; the upstream got:\n%s", c.name, header, got)
		}
	}
	return nil
}

func (c *contender) ask(address string) (*http.Response, string, error) {
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, "", err
	}
	for _, header := range c.headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	return read(http.DefaultTransport.RoundTrip(r))
}

// bare is what the others are compared with.
func (l *lab) bare() ([]*contender, error) {
	addr, err := l.freeAddr()
	if err != nil {
		return nil, err
	}
	metrics, err := l.freeAddr()
	if err != nil {
		return nil, err
	}
	p, err := l.start("bare", nil, l.self, "bare", addr, metrics, l.upstream)
	if err != nil {
		return nil, err
	}
	p.metrics = metrics
	// The same headers as a signed-in person's.
	cookie := "Cookie: session=" + strings.Repeat("x", 2000)
	return []*contender{
		{name: bareProxy, process: p, url: "http://" + addr + "/", headers: []string{cookie}, status: http.StatusOK},
		{name: bareLarge, process: p, url: "http://" + addr + "/1m", headers: []string{cookie}, status: http.StatusOK, clients: fewClients},
	}, p.await(l.ctx, func() bool { return listens(addr) && listens(metrics) })
}

// nginx is plain proxy_pass, with connections that are kept.
func (l *lab) nginx() ([]*contender, error) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		return nil, fmt.Errorf("%w: nginx is not installed (apt-get install nginx-light)", errMissing)
	}
	addr, err := l.freeAddr()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(l.folder, "nginx.conf")
	text := fmt.Sprintf(nginxConf, l.folder, strings.TrimPrefix(l.upstream, "http://"), addr)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, err
	}
	p, err := l.start("nginx", nil, program, "-c", file, "-e", "stderr")
	if err != nil {
		return nil, err
	}
	return []*contender{{name: "nginx, proxy_pass", against: bareProxy, process: p, url: "http://" + addr + "/", status: http.StatusOK}},
		p.await(l.ctx, func() bool { return listens(addr) })
}

const nginxConf = `daemon off;
worker_processes 2;
pid %[1]s/nginx.pid;
events { worker_connections 4096; }
http {
  access_log %[1]s/nginx-access.log;
  client_body_temp_path %[1]s/nginx-body;
  proxy_temp_path %[1]s/nginx-proxy;
  fastcgi_temp_path %[1]s/nginx-fastcgi;
  uwsgi_temp_path %[1]s/nginx-uwsgi;
  scgi_temp_path %[1]s/nginx-scgi;
  keepalive_requests 100000000;
  upstream app { server %[2]s; keepalive 512; keepalive_requests 100000000; }
  server {
    listen %[3]s;
    location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`

// apache is Apache with mod_auth_openidc, with its defaults: sessions in its shared memory. What the upstream is told, and of whom it is
// kept away from /admin/, is as with doorward. It neither starts processes nor ends them under way, which would lose connections, and the
// time that they have used. Each has more threads than there are clients: one that is at its end closes connections that others want to use.
func (l *lab) apache() ([]*contender, error) {
	program, modules := "/usr/sbin/apache2", "/usr/lib/apache2/modules"
	for _, file := range []string{program, modules + "/mod_auth_openidc.so"} {
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("%w: Apache with mod_auth_openidc is not installed (apt-get install apache2 libapache2-mod-auth-openidc)", errMissing)
		}
	}
	origin := l.origin()
	file := filepath.Join(l.folder, "apache.conf")
	text := fmt.Sprintf(apacheConf, l.folder, modules, strings.TrimPrefix(origin, "http://"), l.issuer, clientID, clientSecret, origin, l.upstream)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, err
	}
	p, err := l.start("apache", nil, program, "-D", "FOREGROUND", "-f", file)
	if err != nil {
		return nil, err
	}
	if err := p.await(l.ctx, func() bool { return listens(strings.TrimPrefix(origin, "http://")) }); err != nil {
		return nil, err
	}
	cookies, err := newVisitor("alice").signIn(origin + "/")
	if err != nil {
		return nil, fmt.Errorf("%w; Apache says: %s", err, p.said())
	}
	return []*contender{{name: apacheProxy, against: bareProxy, process: p, url: origin + "/", echo: origin + "/echo",
		headers: []string{"Cookie: " + cookies}, status: http.StatusOK}}, nil
}

const apacheConf = `ServerRoot %[1]s
PidFile %[1]s/apache.pid
DefaultRuntimeDir %[1]s
ServerName localhost
Listen %[3]s
ErrorLog %[1]s/apache-error.log
LogLevel warn
LoadModule mpm_event_module %[2]s/mod_mpm_event.so
LoadModule authn_core_module %[2]s/mod_authn_core.so
LoadModule authz_core_module %[2]s/mod_authz_core.so
LoadModule authz_user_module %[2]s/mod_authz_user.so
LoadModule headers_module %[2]s/mod_headers.so
LoadModule proxy_module %[2]s/mod_proxy.so
LoadModule proxy_http_module %[2]s/mod_proxy_http.so
LoadModule auth_openidc_module %[2]s/mod_auth_openidc.so
LogFormat "%%h %%l %%u %%t \"%%r\" %%>s %%b" common
CustomLog %[1]s/apache-access.log common
StartServers 4
ServerLimit 4
ThreadLimit 128
ThreadsPerChild 128
MaxRequestWorkers 512
MaxSpareThreads 512
MaxConnectionsPerChild 0
KeepAlive On
MaxKeepAliveRequests 0
OIDCProviderMetadataURL %[4]s/.well-known/openid-configuration
OIDCClientID %[5]s
OIDCClientSecret %[6]s
OIDCRedirectURI %[7]s/oauth2/callback
OIDCCryptoPassphrase benchmark-passphrase-of-this-run-alone
OIDCScope "openid profile email groups offline_access"
OIDCPKCEMethod S256
OIDCPassClaimsAs environment
<Location />
  AuthType openid-connect
  Require valid-user
  RequestHeader set X-Forwarded-User "%%{OIDC_CLAIM_sub}e"
  RequestHeader set X-Forwarded-Email "%%{OIDC_CLAIM_email}e"
  RequestHeader set X-Forwarded-Groups "%%{OIDC_CLAIM_groups}e"
  RequestHeader set X-Forwarded-Preferred-Username "%%{OIDC_CLAIM_preferred_username}e"
  RequestHeader set Authorization "Bearer %%{OIDC_access_token}e"
</Location>
<Location /admin/>
  Require claim groups:Admin
</Location>
ProxyPass "/oauth2/callback" "!"
ProxyPass "/" "%[8]s/" keepalive=On
`
