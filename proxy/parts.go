package proxy

import (
	"net/http"
	"net/url"
	"strings"

	"doorward/config"
	"doorward/proxy/pages"
	"doorward/proxy/provider"
	"doorward/session"
)

// What a Proxy is put together from, in the order in which New does it: each part is made of the settings, and of the
// parts before it. Sessions come when nothing else can fail, since they take a file, which a failing New would keep.

func (p *Proxy) readSettings() (err error) {
	for _, u := range p.config.Origins() {
		p.origins = append(p.origins, newOrigin(u))
	}
	p.allowed = p.config.AllowedOriginNames()
	p.trusted = p.config.TrustedNetworks()
	p.front = newFront(p.config)
	if p.headers, err = p.config.IdentityHeaders(); err != nil {
		return err
	}
	if p.aliases, err = p.config.GroupNames(); err != nil {
		return err
	}
	for _, header := range p.headers {
		p.folded = append(p.folded, config.FoldHeader(header.Name))
	}
	params, err := p.config.AuthParameters()
	p.usualACR = strings.Fields(params.Get("acr_values"))
	policy := p.config.FollowPolicy(p.reloaded)
	p.follow(func() { p.useRules(policy()) })
	p.assertions = &assertions{issuer: p.origins[0].String(), keys: p.config.FollowAssertionKeys(p.reloaded)}
	p.follow(func() { p.assertions.keys() })
	return err
}

// guardListeners reads what guards them: the certificate of the public one, and the token of the other.
func (p *Proxy) guardListeners() error {
	p.certificate = p.config.FollowCertificate(p.reloaded)
	p.follow(func() { p.certificate() })
	p.adminToken = p.config.FollowAdminToken(p.reloaded)
	p.follow(func() { p.adminToken() })
	return nil
}

func (p *Proxy) readPages() (err error) {
	p.pages, err = pages.New(p.config.PageOptions())
	return err
}

func (p *Proxy) openUpstreams() error {
	table, err := p.config.UpstreamTable()
	for _, entry := range table {
		u := newUpstream(entry, p.config.FastTransport, p.reloaded)
		u.duration = p.metrics.upstreamDuration.WithLabelValues(u.name)
		p.upstreams = append(p.upstreams, u)
		if u.look != nil {
			p.follow(u.look)
		}
	}
	return err
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
	p.follow(func() { o.ClientSecret(); o.ClientKey(); o.CA() })
	o.NeededClaims, o.OnRequest, o.OnFetch = p.neededClaims, p.providerAsked, p.providerFetched
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
		CA:           c.FollowProviderCA(notice),

		IntrospectTokens: c.IntrospectTokens,
		AlwaysUserinfo:   c.Userinfo == "always",
	}, err
}

func (p *Proxy) openSessions() (err error) {
	secrets, redis := p.config.FollowSecrets(p.reloaded), RedisOptions(p.config, p.reloaded)
	o := p.sessionOptions()
	o.Secrets, o.Redis = secrets(), redis
	if p.sessions, err = session.NewManager(o); err != nil {
		return err
	}
	p.follow(func() { p.useSecrets(secrets()) })
	p.follow(func() { redis.Password() })
	return nil
}

// sessionOptions are what the settings say of sessions, but for what may change.
func (p *Proxy) sessionOptions() session.Options {
	// The provider's form_post is a POST from another site, which a Lax cookie does not accompany.
	loginSameSite := http.SameSiteLaxMode
	if p.config.ResponseMode == "form_post" {
		loginSameSite = http.SameSiteNoneMode
	}
	return session.Options{
		Audience:        p.config.IssuerURL + " " + p.config.ClientID,
		CookieName:      p.config.SessionCookieName(),
		LoginName:       p.config.LoginCookieName(),
		Domain:          p.config.SessionDomain(),
		Secure:          p.config.Secure(),
		SameSite:        sameSite(p.config.CookieSamesite),
		LoginSameSite:   loginSameSite,
		MaxBytes:        p.config.SessionCookieMaxBytes,
		MaxAge:          p.config.SessionMaxAge,
		IdleTimeout:     p.config.SessionIdleTimeout,
		RevocationsPath: p.config.RevocationsPath,
		OnDamage:        func(what error) { p.log.Error("revocations_damaged", "error", what.Error()) },
		InRedis:         p.config.KeepsSessionsInRedis(),
		OnRedis:         p.redisNotice(),
		OnOpen:          p.metrics.sessionOpened,
		OnSave:          p.metrics.sessionSaved,

		KeepWithoutToken: p.keepsSessions(),
	}
}

// RedisOptions are what the settings say of Redis. notice is told when the password, which follows its file, changes or cannot be used any more.
func RedisOptions(c *config.Config, notice func(setting string, err error)) session.RedisOptions {
	return session.RedisOptions{
		URL: c.RedisURL, Password: c.FollowRedisPassword(notice), CA: []byte(c.RedisCA), Prefix: c.RedisPrefix, OutageGrace: c.RedisOutageGrace,
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
		p.log.Warn("redis_down", "error", shortened(err.Error()))
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
