package session

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// minSecret is the shortest secret, in bytes: the strength of AES-256 and HMAC-SHA-256.
const minSecret = 32

// maxName bounds the base name, so that names never eat up the room for values.
const maxName = 64

// Options are the settings of a Manager.
type Options struct {
	// Secrets are the cookie secrets, each of 32 random bytes or more. The first seals, all open.
	Secrets [][]byte

	// Audience is whom the cookies are for, for example issuer and client ID. Cookies sealed for one audience do not open
	// for another, though the secrets be the same. It may be empty.
	Audience string

	// CookieName is the base name: the first cookie of a session bears it, further ones have _1, _2… after it.
	CookieName string

	// LoginName is that of login cookies, which have -login- and a hash of their state after it; empty means CookieName.
	LoginName string

	// Domain is the domain to whose hosts browsers send a session's cookies, without a leading dot: one session for all of them. Empty
	// means the host that set them, alone. A session opens for the domain alone that it was made for. Login cookies are for one host always.
	Domain string

	// Secure keeps the cookies to https. Without it they are for plain http on loopback.
	Secure bool

	// SameSite is the session cookies' attribute: Lax (also when it is zero), Strict or None.
	SameSite http.SameSite

	// LoginSameSite is the login cookies' attribute: Lax (also when it is zero), or None for response_mode=form_post, whose
	// callback is a POST from the provider's site.
	LoginSameSite http.SameSite

	// MaxBytes bounds the session's cookies together, names and values, as a browser sends them; zero means 8192.
	MaxBytes int

	// MaxAge is how long a session lives at most, whatever it says itself, and so how long a revocation is remembered; zero means
	// as long as a seal holds.
	MaxAge time.Duration

	// IdleTimeout is how long a session lives that nobody uses; zero means no such limit.
	IdleTimeout time.Duration

	// KeepWithoutToken lets a session live on that has neither a living access token nor a refresh token; else it has ended then.
	KeepWithoutToken bool

	// Redis, when it has a URL, is where revocations and refresh locks are shared by several instances. NewManager does not wait for it.
	Redis RedisOptions

	// InRedis says that sessions live there, and not in their cookies.
	InRedis bool

	// OnRedis, when set, is told when Redis was reached, and when it is out of reach and why; the latter at each try.
	OnRedis func(up bool, err error)

	// RevocationsPath is the file in which revocations survive a restart; empty: they do not. One Manager at a time has it.
	RevocationsPath string

	// OnDamage, when set, is told that the file was damaged, so that somebody's revocation may be lost. All sessions that began
	// before now have then ended.
	OnDamage func(what error)

	// OnOpen, when set, is called for every session that Get finds, with the index of the secret that opened its cookies, or what is in Redis
	// where that one is older: without it there would be no session.
	OnOpen func(key int)

	// OnSave, when set, is called whenever Create has written a session, at a login and later, with the bytes of its cookies as a browser
	// sends them.
	OnSave func(bytes int)
}

func (o Options) withDefaults() Options {
	o.LoginName = cmp.Or(o.LoginName, o.CookieName)
	o.SameSite = cmp.Or(o.SameSite, http.SameSiteLaxMode)
	o.LoginSameSite = cmp.Or(o.LoginSameSite, http.SameSiteLaxMode)
	o.MaxBytes = cmp.Or(o.MaxBytes, 8192)
	o.MaxAge = cmp.Or(o.MaxAge, sealLifetime)
	if o.OnRedis == nil {
		o.OnRedis = func(bool, error) {}
	}
	return o
}

// check reports every problem at once.
func (o Options) check() error {
	problems := append(checkSecrets(o.Secrets), checkName(o.CookieName, o.Secure)...)
	if o.LoginName != o.CookieName {
		problems = append(problems, checkName(o.LoginName, o.Secure)...)
	}
	if o.Domain != "" && strings.HasPrefix(strings.ToLower(o.CookieName), "__host-") {
		problems = append(problems, fmt.Errorf("DOORWARD_COOKIE_NAME %q: browsers refuse this prefix where DOORWARD_COOKIE_DOMAIN is set; write __Secure- in its place", o.CookieName))
	}
	if o.MaxBytes < 0 || o.MaxBytes > maxChunks*maxCookie {
		problems = append(problems, fmt.Errorf("DOORWARD_SESSION_COOKIE_MAX_BYTES is %d; write 1 to %d", o.MaxBytes, maxChunks*maxCookie))
	}
	switch o.SameSite {
	case http.SameSiteLaxMode, http.SameSiteStrictMode, http.SameSiteNoneMode:
	default:
		problems = append(problems, errors.New("DOORWARD_COOKIE_SAMESITE is unknown; write lax, strict or none"))
	}
	if o.SameSite == http.SameSiteNoneMode && !o.Secure {
		problems = append(problems, errors.New("DOORWARD_COOKIE_SAMESITE: browsers refuse none on plain http; write lax, or use https"))
	}
	switch {
	case o.LoginSameSite == http.SameSiteNoneMode && !o.Secure:
		problems = append(problems, errors.New("DOORWARD_RESPONSE_MODE: form_post needs https, because its login cookie is SameSite=None; write query"))
	case o.LoginSameSite != http.SameSiteLaxMode && o.LoginSameSite != http.SameSiteNoneMode:
		problems = append(problems, errors.New("the login cookie's SameSite must be Lax or None, or the callback would come without it"))
	}
	return errors.Join(problems...)
}

// checkSecrets refuses what gorilla/securecookie would take in silence: short keys, and none at all.
func checkSecrets(secrets [][]byte) (problems []error) {
	if len(secrets) == 0 {
		problems = append(problems, errors.New("DOORWARD_COOKIE_SECRETS is empty; doorward secret prints a fresh one"))
	}
	for i, secret := range secrets {
		switch {
		case len(secret) < minSecret:
			problems = append(problems, fmt.Errorf("DOORWARD_COOKIE_SECRETS: secret %d has %d bytes, it needs %d; doorward secret prints a fresh one", i+1, len(secret), minSecret))
		case len(slices.Compact(slices.Sorted(slices.Values(secret)))) < 8:
			// 32 random bytes hold about 30 distinct ones, and fewer than 8 never.
			problems = append(problems, fmt.Errorf("DOORWARD_COOKIE_SECRETS: secret %d is a pattern, not random; doorward secret prints a fresh one", i+1))
		}
	}
	return problems
}

// checkName wants a token (RFC 6265 4.1.1) whose prefix browsers will accept (RFC 6265bis 4.1.3, where case does not
// count).
func checkName(name string, secure bool) (problems []error) {
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, notToken) {
		problems = append(problems, fmt.Errorf("DOORWARD_COOKIE_NAME %q is no cookie name; write 1 to %d letters, digits, - or _", name, maxName))
	}
	lower := strings.ToLower(name)
	prefixed := strings.HasPrefix(lower, "__host-") || strings.HasPrefix(lower, "__secure-") || strings.HasPrefix(lower, "__http-")
	if prefixed && !secure {
		problems = append(problems, fmt.Errorf("DOORWARD_COOKIE_NAME %q: browsers refuse this prefix on plain http; leave the prefix out, or use https", name))
	}
	return problems
}

func notToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
}
