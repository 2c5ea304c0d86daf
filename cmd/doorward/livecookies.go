package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"doorward/config"
	"doorward/proxy"
	"doorward/proxy/provider"
	"doorward/session"
)

// groupCounts are those whose cookies are measured: nobody's, a small company's, a large one's, and a directory's of many years.
func groupCounts() []int { return []int{0, 10, 50, 200} }

const (
	// fewGroups is how many groups people may well be in.
	fewGroups = 50
	// commonHeaders is what servers take of one header as a rule: nginx and Apache 8 KiB, Node 16 KiB for all together.
	commonHeaders = 8 << 10
)

// inspectCookies looks at what the browser will be given.
func inspectCookies(c *config.Config) []finding {
	return slices.Concat([]finding{inspectPrefix(c)}, inspectCookieSize(c), inspectCookieLimit(c))
}

// inspectPrefix: __Host- lets neither a sibling host nor plain http write our cookies (RFC 6265bis 4.1.3.2).
func inspectPrefix(c *config.Config) finding {
	name := c.SessionCookieName()
	f := finding{ID: "cookie.prefix", Level: provider.LevelOK, Subject: "cookie " + name, Says: "its prefix keeps other hosts, and plain http, from writing it"}
	switch {
	case strings.HasPrefix(name, "__Host-"):
	case !c.Secure() && !c.InsecurePublicHTTP:
		f.Says = "has no prefix, since browsers take one over https alone; on this machine that will do"
	case !c.Secure():
		f.Level, f.Says = provider.LevelNote, "no prefix protects it: browsers take __Host- over https alone"
		f.Mend = fmt.Sprintf("let browsers come by https, and write that in %s_PUBLIC_URL", config.Prefix)
	case c.CookieDomain != "":
		f.Level, f.Says = provider.LevelNote, "it is every host's under "+c.SessionDomain()+", and each of them can write it"
		f.Mend = fmt.Sprintf("leave %s_COOKIE_DOMAIN unset, where hosts need not share a login", config.Prefix)
	case strings.HasPrefix(name, "__Secure-"):
		f.Level, f.Says = provider.LevelNote, "its prefix keeps plain http from writing it; hosts beside this one can write it"
		f.Mend = fmt.Sprintf("let %s_COOKIE_NAME begin with __Host-, where no other host is to share the login", config.Prefix)
	default:
		f.Level, f.Says = provider.LevelNote, "no prefix protects it: hosts beside this one can write it"
		f.Mend = fmt.Sprintf("let %s_COOKIE_NAME begin with __Host-, or leave it unset", config.Prefix)
	}
	return f
}

// inspectCookieSize measures the sessions of people with ever more groups, sealed as they will be.
func inspectCookieSize(c *config.Config) []finding {
	f := finding{ID: "cookie.size", Level: provider.LevelOK, Subject: "cookie size"}
	if c.KeepsSessionsInRedis() {
		f.Says = "sessions live in Redis: however many groups people have, their cookie holds a reference alone"
		return []finding{f}
	}
	measure, err := proxy.CookieMeasure(c)
	if err != nil {
		return nil // what is wrong was reported before
	}
	names, ids := sizes{c, measure, groupName}, sizes{c, measure, groupID}
	byName, byID := names.room(), ids.room()
	f.Says = fmt.Sprintf("%d bytes hold about %d groups with names such as %s, or %d with ids such as Entra ID's; with usual tokens and %s groups it is %s bytes, with ids %s; each cookie stays below the 4096 that browsers take",
		c.SessionCookieMaxBytes, byName, groupName(1), byID, listInts(groupCounts()), names.table(), ids.table())
	if byID < fewGroups {
		f.Level = provider.LevelNote
		f.Mend = fmt.Sprintf("raise %[1]s_SESSION_COOKIE_MAX_BYTES, and with it the header limits of servers in front; or keep sessions in Redis (%[1]s_REDIS_URL); or let the provider send fewer groups", config.Prefix)
	}
	return []finding{f}
}

// inspectCookieLimit compares what cookies may have with what is taken of headers.
func inspectCookieLimit(c *config.Config) []finding {
	if c.KeepsSessionsInRedis() {
		return nil
	}
	f := finding{ID: "cookie.limit", Level: provider.LevelNote, Subject: "cookie limit"}
	const rest = 8 << 10 // of the head: the other headers, the address, and cookies of the application
	switch {
	case c.SessionCookieMaxBytes+rest > c.MaxHeaderBytes:
		f.Says = fmt.Sprintf("the session's cookies may have %d bytes and all of a request's head %d: with the rest of it, large sessions get 431", c.SessionCookieMaxBytes, c.MaxHeaderBytes)
		f.Mend = fmt.Sprintf("raise %[1]s_MAX_HEADER_BYTES to %[2]d", config.Prefix, c.SessionCookieMaxBytes+rest)
	case c.SessionCookieMaxBytes > commonHeaders && !c.ServesTLS():
		f.Says = fmt.Sprintf("the session's cookies may have %d bytes; nginx and Apache, where one stands in front, take %d of a header", c.SessionCookieMaxBytes, commonHeaders)
		f.Mend = fmt.Sprintf("raise the limit of the server in front (nginx: large_client_header_buffers 4 %dk)", c.SessionCookieMaxBytes/1024+8)
	default:
		return nil
	}
	return []finding{f}
}

// sizes measures sessions whose groups are called in one way.
type sizes struct {
	config  *config.Config
	measure func(*session.Session) (int, error)
	name    func(i int) string
}

// of is how many bytes the cookies have for so many groups; more than there may be where it cannot be told.
func (s sizes) of(groups int) int {
	bytes, err := s.measure(usualSession(s.config, groups, s.name))
	if err != nil {
		return s.config.SessionCookieMaxBytes + 1
	}
	return bytes
}

// room is how many groups there is room for.
func (s sizes) room() int {
	const most = 2000
	return max(0, sort.Search(most, func(n int) bool { return s.of(n) > s.config.SessionCookieMaxBytes })-1)
}

func (s sizes) table() string {
	var bytes []int
	for _, n := range groupCounts() {
		bytes = append(bytes, s.of(n))
	}
	return listInts(bytes)
}

func listInts(numbers []int) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = fmt.Sprint(n)
	}
	return strings.Join(texts, ", ")
}

// groupName is a group's name as people give them, in which little repeats.
func groupName(i int) string {
	departments := []string{"sales", "finance", "platform", "support", "audit", "design", "legal", "mobile", "data", "people"}
	roles := []string{"admins", "editors", "readers", "oncall", "leads", "partners", "contractors"}
	return fmt.Sprintf("%s-%s-%03d", departments[i%len(departments)], roles[i%len(roles)], i*37%1000)
}

// groupID is a random one as directories give them, which nothing makes smaller.
func groupID(int) string {
	id := make([]byte, 16)
	rand.Read(id)
	digits := hex.EncodeToString(id)
	return strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-")
}

// usualSession is what a login leaves of somebody with so many groups: ID token and access token are JWTs that both name them, signed with
// RS256, as those of Keycloak, Okta and Entra ID are.
func usualSession(c *config.Config, groups int, name func(int) string) *session.Session {
	now := time.Now()
	s := &session.Session{
		Issuer: c.IssuerURL, Subject: groupID(0), ProviderSession: groupID(0),
		User: "somebody@example.com", Email: "somebody@example.com", PreferredUsername: "somebody",
		AuthTime: now, CreatedAt: now, TokenIssuedAt: now, TokenExpiresAt: now.Add(time.Hour), ExpiresAt: now.Add(c.SessionMaxAge),
	}
	for i := range groups {
		s.Groups = append(s.Groups, name(i))
	}
	claims := map[string]any{
		"iss": s.Issuer, "sub": s.Subject, "sid": s.ProviderSession, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "auth_time": now.Unix(),
		"name": "Some Body", "preferred_username": s.PreferredUsername, "email": s.Email, "email_verified": true, "groups": s.Groups,
	}
	s.IDToken = unsigned(claims, map[string]any{"aud": c.ClientID, "nonce": randomText(32), "at_hash": randomText(16)})
	s.AccessToken = unsigned(claims, map[string]any{"aud": c.Audience, "client_id": c.ClientID, "scope": c.Scopes, "jti": randomText(16)})
	if slices.Contains(strings.Fields(c.Scopes), "offline_access") {
		s.RefreshToken = randomText(500)
	}
	return s
}

// unsigned is a JWT of the size that it would have with a signature.
func unsigned(claims, further map[string]any) string {
	all := maps.Clone(claims)
	maps.Copy(all, further)
	payload, _ := json.Marshal(all) // of nothing that could fail
	header := `{"alg":"RS256","typ":"JWT","kid":"` + randomText(32) + `"}`
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(payload) + "." + randomText(256)
}

// randomText is so many random bytes in base64url.
func randomText(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
