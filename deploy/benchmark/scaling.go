//go:build linux

package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"doorward/cmd/demo/provider"
	"doorward/config"
	"doorward/session"
)

// What doorward is to take no notice of: how many rules there are, how many sessions, and how many groups somebody is in.

// people are those of the demo, and some who are in many groups.
func people() []provider.User {
	all := provider.DemoUsers()
	for _, n := range []int{50, 500} {
		crowd := all[0]
		crowd.Username, crowd.Groups = fmt.Sprintf("groups-%d", n), []string{"Admin"}
		for i := range n - 1 {
			crowd.Groups = append(crowd.Groups, fmt.Sprintf("group-%03d", i))
		}
		all = append(all, crowd)
	}
	return all
}

func (l *lab) manyRules() (all []*contender, err error) {
	for _, n := range []int{3, 10, 100, 1000} {
		table := rules
		for i := range n - 3 {
			table += fmt.Sprintf("; /section-%d/ group:Group%d", i, i)
		}
		c, err := l.signedIn(fmt.Sprintf("%d rules", n), 1.10, "DOORWARD_ACCESS_RULES="+table)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return series(all), nil
}

// manyGroups forwards those groups alone that a rule names. Tokens, and so cookies, grow with the groups, and any server takes longer to read
// more: so the time of each is counted in that of the bare proxy at requests of the same size.
func (l *lab) manyGroups() (all []*contender, err error) {
	bare, err := l.bare()
	if err != nil {
		return nil, err
	}
	var bares []*contender
	for _, crowd := range []struct {
		groups int
		person string
	}{{2, "alice"}, {50, "groups-50"}, {500, "groups-500"}} {
		c, err := l.signedInAs(crowd.person, fmt.Sprintf("%d groups", crowd.groups), 1.25, "DOORWARD_FORWARD_GROUPS=matched", "DOORWARD_ACCESS_RULES=/ group:Admin",
			"DOORWARD_SESSION_COOKIE_MAX_BYTES=32768", "DOORWARD_FORWARD_ACCESS_TOKEN=false")
		if err != nil {
			return nil, err
		}
		twin := *bare[0]
		twin.name, twin.headers = fmt.Sprintf("%s, %d bytes of cookies", bareProxy, len(c.headers[0])), c.headers
		c.twin = twin.name
		bares, all = append(bares, &twin), append(all, c)
	}
	return append(bares, series(all)...), nil
}

// manySessions asks with the cookies of so many sessions, which are copies of one that was made by a login. Browsers ask for a page and then
// for all that is in it; so do most of these.
func (l *lab) manySessions() (all []*contender, err error) {
	secret := config.NewSecret()
	one, err := l.signedIn("1 session", 0, "DOORWARD_COOKIE_SECRETS="+secret)
	if err != nil {
		return nil, err
	}
	all = append(all, one)
	for _, crowd := range []struct {
		sessions, inARow int
		how              string
	}{{1000, 1, "in turn"}, {10_000, 1, "in turn"}, {100_000, 10, "ten requests of each in a row"}, {100_000, 1, "in turn"}} {
		l.say("sealing %d sessions", crowd.sessions)
		c, err := l.signedIn(fmt.Sprintf("%d sessions, %s", crowd.sessions, crowd.how), 1.25, "DOORWARD_COOKIE_SECRETS="+secret)
		if err != nil {
			return nil, err
		}
		if c.script, err = l.sealSessions(secret, one, crowd.sessions, crowd.inARow); err != nil {
			return nil, fmt.Errorf("sealing sessions: %w", err)
		}
		all = append(all, c)
	}
	return series(all), nil
}

// series compares all with the first.
func series(all []*contender) []*contender {
	for _, c := range all {
		c.against = all[0].name
	}
	all[0].against, all[0].target = "", 0
	return all
}

// sealSessions seals copies of a contender's session, and gives the script that makes wrk send them in turn.
func (l *lab) sealSessions(secret string, like *contender, n, inARow int) (script string, err error) {
	settings := config.Defaults()
	settings.PublicURL, settings.CookieSecrets = []string{strings.TrimSuffix(like.url, "/")}, []string{secret}
	secrets, err := settings.Secrets()
	if err != nil {
		return "", err
	}
	m, err := session.NewManager(session.Options{Secrets: secrets, Audience: l.issuer + " " + clientID, CookieName: settings.SessionCookieName()})
	if err != nil {
		return "", err
	}
	defer m.Close()
	r, _ := http.NewRequest(http.MethodGet, like.url, nil)
	r.Header.Set("Cookie", strings.TrimPrefix(like.headers[0], "Cookie: "))
	s, err := m.Get(r)
	if err != nil {
		return "", err
	}
	lines, err := sealed(m, s, n)
	if err != nil {
		return "", err
	}
	file := filepath.Join(l.folder, fmt.Sprintf("cookies-%d-%d", n, inARow))
	script = file + ".lua"
	if err := writeLines(file, lines); err != nil {
		return "", err
	}
	return script, os.WriteFile(script, fmt.Appendf(nil, luaScript, file, inARow), 0o644)
}

// luaScript goes on from anywhere, or the first ones would be asked for in every round, and the others never.
const luaScript = `local cookies = {}
for line in io.lines(%[1]q) do cookies[#cookies + 1] = { ["Cookie"] = line } end
math.randomseed(os.time())
local at = math.random(#cookies) * %[2]d
function request()
  at = at + 1
  return wrk.format("GET", nil, cookies[math.floor(at / %[2]d) %% #cookies + 1])
end
`

// sealed are the Cookie headers of n copies of a session.
func sealed(m *session.Manager, s *session.Session, n int) ([]string, error) {
	headers, failed := make([]string, n), make([]error, 4)
	var sealers sync.WaitGroup
	for part := range failed {
		sealers.Go(func() {
			for i := part; i < n; i += len(failed) {
				copied, h := *s, http.Header{}
				copied.ID = ""
				empty, _ := http.NewRequest(http.MethodGet, "/", nil)
				if err := m.Create(h, empty, &copied); err != nil {
					failed[part] = err
					return
				}
				headers[i] = cookieHeader(h)
			}
		})
	}
	sealers.Wait()
	for _, err := range failed {
		if err != nil {
			return nil, err
		}
	}
	return headers, nil
}

// cookieHeader is what a browser sends that was told to set these cookies.
func cookieHeader(h http.Header) string {
	var pairs []string
	for _, line := range h["Set-Cookie"] {
		pair, _, _ := strings.Cut(line, ";")
		pairs = append(pairs, pair)
	}
	return strings.Join(pairs, "; ")
}

func writeLines(file string, lines []string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for _, line := range lines {
		fmt.Fprintln(w, line)
	}
	if err := w.Flush(); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
