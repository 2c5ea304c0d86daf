//go:build linux

package main

import (
	"fmt"
	"net/http"
	"os/exec"
	"strings"

	"doorward/config"
)

// rules are those of the READMEs.
const rules = "/ authenticated; /admin/ group:Admin; GET /status public"

// startDoorward starts doorward with its defaults, and what settings changes.
func (l *lab) startDoorward(name string, settings ...string) (origin string, p *process, err error) {
	origin = l.origin()
	metrics, err := l.freeAddr()
	if err != nil {
		return "", nil, err
	}
	addr := strings.TrimPrefix(origin, "http://")
	environment := append([]string{
		"DOORWARD_PUBLIC_URL=" + origin, "DOORWARD_LISTEN_ADDR=" + addr, "DOORWARD_METRICS_ADDR=" + metrics,
		"DOORWARD_UPSTREAMS=" + l.upstream, "DOORWARD_ACCESS_RULES=" + rules,
		"DOORWARD_ISSUER_URL=" + l.issuer, "DOORWARD_CLIENT_ID=" + clientID, "DOORWARD_CLIENT_SECRET=" + clientSecret,
		"DOORWARD_SCOPES=openid profile email groups offline_access", "DOORWARD_COOKIE_SECRETS=" + config.NewSecret(),
	}, settings...)
	if p, err = l.start(name, environment, l.doorward); err != nil {
		return "", nil, err
	}
	p.metrics = metrics
	return origin, p, p.await(l.ctx, func() bool { return isReady(metrics) })
}

func isReady(metrics string) bool {
	answer, _, err := read(http.Get("http://" + metrics + "/readyz"))
	return err == nil && answer.StatusCode == http.StatusOK
}

// signedIn is doorward with somebody who is signed in.
func (l *lab) signedIn(name string, target float64, settings ...string) (*contender, error) {
	c, err := l.signedInAs("alice", name, target, settings...)
	if err == nil {
		c.echo = c.url + "echo"
	}
	return c, err
}

func (l *lab) signedInAs(person, name string, target float64, settings ...string) (*contender, error) {
	origin, p, err := l.startDoorward(name, settings...)
	if err != nil {
		return nil, err
	}
	cookies, err := newVisitor(person).signIn(origin + "/")
	if err != nil {
		return nil, fmt.Errorf("%s: %w; it says: %s", name, err, p.said())
	}
	return &contender{name: name, against: bareProxy, target: target, process: p, url: origin + "/",
		headers: []string{"Cookie: " + cookies}, status: http.StatusOK}, nil
}

// cookieStore is doorward with its defaults. The same process sends people to their login, and serves large bodies.
func (l *lab) cookieStore() ([]*contender, error) {
	c, err := l.signedIn(doorwardCookies, 1.15)
	if err != nil {
		return nil, err
	}
	login := &contender{name: "doorward, redirect to the login", against: bareProxy, target: 0.6, process: c.process, url: c.url,
		headers: []string{"Accept: text/html"}, status: http.StatusSeeOther, leads: l.issuer + "/authorize?"}
	large := &contender{name: doorwardLarge, against: bareLarge, target: 1.05, process: c.process, url: c.url + "1m", headers: c.headers, status: http.StatusOK, clients: fewClients}
	return []*contender{c, login, large}, nil
}

func (l *lab) redisStore() ([]*contender, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("%w: doorward over Redis, since redis-server is not installed", errMissing)
	}
	addr, err := l.freeAddr()
	if err != nil {
		return nil, err
	}
	redis, err := l.start("redis", nil, program, "--port", portOf(addr), "--bind", "127.0.0.1", "--save", "", "--dir", l.folder)
	if err != nil {
		return nil, err
	}
	if err := redis.await(l.ctx, func() bool { return listens(addr) }); err != nil {
		return nil, err
	}
	c, err := l.signedIn(doorwardRedis, 0, "DOORWARD_REDIS_URL=redis://"+addr, "DOORWARD_READY_REQUIRES=redis")
	return []*contender{c}, err
}

// fastTransport is left out where the binary does not know the setting.
func (l *lab) fastTransport() ([]*contender, error) {
	known, err := exec.Command(l.doorward, "config").Output()
	if err != nil {
		return nil, fmt.Errorf("asking doorward for its settings: %w", err)
	}
	if !strings.Contains(string(known), "FAST_TRANSPORT") {
		return nil, fmt.Errorf("%w: FAST_TRANSPORT, which this doorward does not have", errMissing)
	}
	c, err := l.signedIn(doorwardFast, 1.00, "DOORWARD_FAST_TRANSPORT=true")
	return []*contender{c}, err
}

// forwardAuth is the question that nginx asks before each request.
func (l *lab) forwardAuth() ([]*contender, error) {
	origin, p, err := l.startDoorward("doorward, forward-auth", "DOORWARD_FORWARD_AUTH=nginx", "DOORWARD_TRUSTED_PROXIES=127.0.0.1")
	if err != nil {
		return nil, err
	}
	cookies, err := newVisitor("alice").signIn(origin + "/oauth2/start")
	if err != nil {
		return nil, fmt.Errorf("forward-auth: %w; it says: %s", err, p.said())
	}
	return []*contender{{name: "doorward, forward-auth", against: bareProxy, target: 0.5, process: p, url: origin + "/oauth2/auth", status: http.StatusAccepted,
		headers: []string{"Cookie: " + cookies, "X-Forwarded-Method: GET", "X-Forwarded-Proto: http",
			"X-Forwarded-Host: " + strings.TrimPrefix(origin, "http://"), "X-Forwarded-Uri: /"}}}, nil
}
