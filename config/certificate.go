package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// The certificate of the public listener, TLS_CERT with TLS_KEY. They are two files that somebody writes one after the other, so that for a
// moment they do not belong together: the pair before stays in use until both do.

// ServesTLS reports whether the public listener speaks TLS itself.
func (c *Config) ServesTLS() bool { return c.TLSCert != "" }

func checkCertificate(c *Config) Problems {
	v := verdict{variable: "TLS_CERT"}
	_, err := tls.X509KeyPair([]byte(c.TLSCert), []byte(c.TLSKey))
	switch {
	case c.TLSCert == "" && c.TLSKey == "":
	case c.TLSCert == "" || c.TLSKey == "":
		v.add("needs "+Prefix+"_TLS_KEY, and is needed by it", "set both, e.g. "+Prefix+"_TLS_CERT_FILE and "+Prefix+"_TLS_KEY_FILE, or neither")
	case err != nil:
		v.add(pairFault(c.TLSCert, err), "give the certificate with those between it and its authority in PEM, and the key that it was made for; "+Prefix+"_TLS_CERT_FILE and "+Prefix+"_TLS_KEY_FILE name files of them")
	case len(c.Origins()) > 0 && !c.Secure():
		v.add("is set, and "+Prefix+"_PUBLIC_URL is plain http", "write https:// there, or leave the certificate out")
	}
	return v.problems
}

// pairFault is what is wrong with certificate and key, without a byte of theirs.
func pairFault(certificate string, err error) string {
	if wrong := checkCertificates([]byte(certificate)); wrong != nil {
		return wrong.Error()
	}
	if strings.Contains(err.Error(), "private key does not match") {
		return "is a certificate for another key than " + Prefix + "_TLS_KEY"
	}
	return "is a certificate, but " + Prefix + "_TLS_KEY is no whole private key in PEM without a password"
}

// CertificateFaults says why browsers refuse the certificate, so that people see nothing of doorward, and why they soon will; both are empty
// where nothing is wrong with it, or TLS is not served. Valid after [Config.Validate].
func (c *Config) CertificateFaults() (faults []string, soon string) {
	pair, err := tls.X509KeyPair([]byte(c.TLSCert), []byte(c.TLSKey))
	if !c.ServesTLS() || err != nil {
		return nil, ""
	}
	for _, origin := range c.signInOrigins() {
		if pair.Leaf.VerifyHostname(origin.Hostname()) != nil {
			faults = append(faults, fmt.Sprintf("%s_TLS_CERT is not for %s: browsers will refuse it there", Prefix, origin.Hostname()))
		}
	}
	fault, soon := expiry(pair.Leaf.NotBefore, pair.Leaf.NotAfter, time.Now())
	if fault != "" {
		faults = append(faults, Prefix+"_TLS_CERT "+fault)
	}
	if soon != "" {
		soon = Prefix + "_TLS_CERT " + soon
	}
	return faults, soon
}

func (c *Config) certificateNotes() []string {
	notes, soon := c.CertificateFaults()
	if soon != "" {
		notes = append(notes, soon)
	}
	return notes
}

// expirySoon is when a certificate should have been renewed: those of 90 days commonly are at 30.
const expirySoon = 14 * 24 * time.Hour

func expiry(begins, ends, now time.Time) (fault, soon string) {
	switch {
	case now.Before(begins):
		return "is not valid before " + begins.UTC().Format(time.DateTime) + " UTC", ""
	case now.After(ends):
		return "expired at " + ends.UTC().Format(time.DateTime) + " UTC", ""
	case ends.Sub(now) < expirySoon:
		return "", "expires at " + ends.UTC().Format(time.DateTime) + " UTC: renew it"
	}
	return "", ""
}

// FollowCertificate returns a function that gives the certificate with its key as they are now: see follow. It is called at each handshake, and
// gives nil where the listener speaks no TLS.
func (c *Config) FollowCertificate(notice func(variable string, err error)) func() *tls.Certificate {
	p := &followedPair{notice: notice, troubles: map[string]error{}}
	p.certificate = follow(c, "TLS_CERT", c.TLSCert, asWritten, p.note)
	p.key = follow(c, "TLS_KEY", c.TLSKey, asWritten, p.note)
	p.pair, _ = parsePair(c.TLSCert, c.TLSKey)
	p.texts = [2]string{c.TLSCert, c.TLSKey}
	return p.current
}

// followedPair is a certificate whose two halves follow their files.
type followedPair struct {
	certificate, key func() string
	notice           func(variable string, err error)

	mu       sync.Mutex
	pair     *tls.Certificate
	texts    [2]string // that were last tried
	troubles map[string]error
	told     string // of the troubles; empty when all is well
}

// note is told of what is the matter with a file; nil takes it back.
func (p *followedPair) note(variable string, err error) {
	delete(p.troubles, variable)
	if err != nil {
		p.troubles[variable] = err
	}
}

func (p *followedPair) current() *tls.Certificate {
	p.mu.Lock()
	defer p.mu.Unlock()
	texts := [2]string{p.certificate(), p.key()}
	changed := texts != p.texts
	if changed {
		p.texts = texts
		pair, err := parsePair(texts[0], texts[1])
		if err == nil {
			p.pair = pair
		}
		p.note("", err)
	}
	p.tell(changed)
	return p.pair
}

// tell passes on what is new.
func (p *followedPair) tell(changed bool) {
	name, trouble := Prefix+"_TLS_CERT", ""
	var all []error
	for _, variable := range slices.Sorted(maps.Keys(p.troubles)) {
		all = append(all, p.troubles[variable])
	}
	if err := errors.Join(all...); err != nil {
		trouble = err.Error()
	}
	if trouble != "" && trouble != p.told {
		p.notice(name, errors.New(trouble))
	} else if trouble == "" && (changed || p.told != "") {
		p.notice(name, nil)
	}
	p.told = trouble
}

func parsePair(certificate, key string) (*tls.Certificate, error) {
	if certificate == "" {
		return nil, nil
	}
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		return nil, errors.New(Prefix + "_TLS_CERT: " + pairFault(certificate, err))
	}
	return &pair, nil
}
