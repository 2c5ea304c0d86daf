package proxy

import (
	"net/http"
	"net/url"
	"strings"

	"doorward/config"
	"doorward/proxy/provider"
	"doorward/session"
)

// What a Proxy is put together from, in the order in which New does it: each part is made of the settings, and of the
// parts before it. Sessions come last, since they take a file, which a failing New would keep.

func (p *Proxy) readRules() (err error) {
	for _, u := range p.config.Origins() {
		p.origins = append(p.origins, newOrigin(u))
	}
	p.allowed = p.config.AllowedOriginNames()
	p.trusted = p.config.TrustedNetworks()
	p.front = p.config.FrontServer()
	if p.policy, err = p.config.Policy(); err != nil {
		return err
	}
	p.groups = p.policy.GroupNames()
	if err := p.readACR(); err != nil {
		return err
	}
	p.assertions = &assertions{issuer: p.origins[0].String(), keys: p.config.FollowAssertionKeys(p.reloaded)}
	p.headers, err = p.config.IdentityHeaders()
	for _, header := range p.headers {
		p.folded = append(p.folded, config.FoldHeader(header.Name))
	}
	return err
}

func (p *Proxy) readCertificate() error {
	p.certificate = p.config.FollowCertificate(p.reloaded)
	return nil
}

func (p *Proxy) readPages() (err error) {
	p.pages, err = newPages()
	return err
}

func (p *Proxy) openUpstreams() error {
	table, err := p.config.UpstreamTable()
	for _, entry := range table {
		u := newUpstream(entry, p.config.FastTransport, p.reloaded)
		u.duration = p.metrics.upstreamDuration.WithLabelValues(u.name)
		p.upstreams = append(p.upstreams, u)
	}
	return err
}

func (p *Proxy) openSessions() error {
	secrets, err := p.config.Secrets()
	if err != nil {
		return err
	}
	// The provider's form_post is a POST from another site, which a Lax cookie does not accompany.
	loginSameSite := http.SameSiteLaxMode
	if p.config.ResponseMode == "form_post" {
		loginSameSite = http.SameSiteNoneMode
	}
	p.sessions, err = session.NewManager(session.Options{
		Secrets:         secrets,
		Audience:        p.config.IssuerURL + " " + p.config.ClientID,
		CookieName:      p.config.SessionCookieName(),
		Secure:          p.config.Secure(),
		SameSite:        sameSite(p.config.CookieSamesite),
		LoginSameSite:   loginSameSite,
		MaxBytes:        p.config.SessionCookieMaxBytes,
		MaxAge:          p.config.SessionMaxAge,
		IdleTimeout:     p.config.SessionIdleTimeout,
		RevocationsPath: p.config.RevocationsPath,
		OnDamage:        func(what error) { p.log.Error("revocations_damaged", "error", what.Error()) },
		Redis:           RedisOptions(p.config),
		InRedis:         p.config.KeepsSessionsInRedis(),
		OnRedis:         p.redisNotice(),
		OnOpen:          p.metrics.sessionOpened,
		OnSave:          p.metrics.sessionSaved,

		KeepWithoutToken: p.keepsSessions(),
	})
	return err
}

// RedisOptions are what the settings say of Redis.
func RedisOptions(c *config.Config) session.RedisOptions {
	return session.RedisOptions{
		URL: c.RedisURL, Password: c.RedisPassword, CA: []byte(c.RedisCA), Prefix: c.RedisPrefix, OutageGrace: c.RedisOutageGrace,
	}
}

// redisNotice tells the log when Redis goes and when it comes. One goroutine calls it, at each try.
func (p *Proxy) redisNotice() func(up bool, err error) {
	known, was := false, false
	return func(up bool, err error) {
		if known && up == was {
			return
		}
		known, was = true, up
		if up {
			p.log.Info("redis_up")
			return
		}
		p.log.Warn("redis_down", "error", cut(err.Error()))
	}
}

// keepsSessions says that a session may outlive its tokens.
func (p *Proxy) keepsSessions() bool { return p.config.SessionWithoutRefresh == "keep" }

func (p *Proxy) keepFresh() error {
	p.refreshes = &refresher{
		generations: newGenerations(),
		sessions:    p.sessions,
		background:  p.background,
		before:      p.config.RefreshBefore,
		keep:        p.keepsSessions(),
		renew:       p.renewSession,
		report:      p.refreshed,
		revoke:      p.revokeToken,
	}
	return nil
}

func sameSite(name string) http.SameSite {
	switch name {
	case "strict":
		return http.SameSiteStrictMode
	case "none":
		return http.SameSiteNoneMode
	}
	return http.SameSiteLaxMode
}

func (p *Proxy) meetProvider() error {
	o, err := ProviderOptions(p.config, p.reloaded)
	if err != nil {
		return err
	}
	issuer, err := url.Parse(p.config.IssuerURL)
	if err != nil {
		return err
	}
	p.providerOrigin = newOrigin(issuer).String()
	o.NeededClaims, o.OnRequest, o.OnFetch = p.neededClaims(), p.providerAsked, p.providerFetched
	p.provider, err = provider.New(o)
	return err
}

// ProviderOptions are what the settings say of the provider, for whoever wants to ask it something without a Proxy. notice is told
// when the client's secret or key, which follow their files, change or cannot be used any more.
func ProviderOptions(c *config.Config, notice func(variable string, err error)) (provider.Options, error) {
	params, err := c.AuthParameters()
	return provider.Options{
		Issuer:       c.IssuerURL,
		InternalURL:  c.ProviderInternalURL,
		AllowHTTP:    c.InsecureProviderHTTP,
		ClientID:     c.ClientID,
		ClientAuth:   c.ClientAuth,
		ClientSecret: c.FollowClientSecret(notice),
		ClientKey:    c.FollowClientKey(notice),
		Scopes:       strings.Fields(c.Scopes),
		ResponseMode: c.ResponseMode,
		AuthParams:   params,
		AlwaysPush:   c.PAR == "always",
		Audience:     c.Audience,
		CA:           []byte(c.ProviderCA),

		IntrospectTokens: c.IntrospectTokens,
		AlwaysUserinfo:   c.Userinfo == "always",
	}, err
}
