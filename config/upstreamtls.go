package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
)

// An https upstream's options ca=, cert= and key= are paths of files, read when doorward starts and again whenever they change. What they hold is
// judged apart from the table: an entry is where it is, and leads where it leads, whether or not its files can be read at that moment.

// UpstreamTLS are the paths of these files; empty for none.
type UpstreamTLS struct{ CA, Cert, Key string }

func setFile(path *string, name, value string) (wrong, mend string) {
	*path = value
	if !filepath.IsAbs(value) {
		return name + "= names no file by an absolute path", "write e.g. " + name + "=/etc/doorward/" + name + ".pem"
	}
	return "", ""
}

// checkTLS wants the options where TLS is spoken. v has problems already where they are misspelt.
func (u *Upstream) checkTLS(v *verdict) {
	at := " in the entry of " + quote(u.Pattern)
	switch {
	case v.problems != nil || u.TLS == UpstreamTLS{}:
	case u.URL.Scheme != "https":
		v.add("ca=, cert= or key="+at+", whose URL is not https", "write https://, or leave them out")
	case u.TLS.Cert != "" && u.TLS.Key == "":
		v.add("cert= without key="+at, "write both: the certificate that doorward shows, and its private key")
	case u.TLS.Key != "" && u.TLS.Cert == "":
		v.add("key= without cert="+at, "write both: the certificate that doorward shows, and its private key")
	}
}

// checkUpstreamFiles wants what the files hold to be of use.
func checkUpstreamFiles(c *Config) Problems {
	v := verdict{variable: "UPSTREAMS"}
	upstreams, _ := c.upstreams()
	for _, u := range upstreams {
		if _, err := u.TLS.read(); err != nil {
			v.add("the entry of "+quote(u.Pattern)+": "+err.Error(), "see that ca= and cert= name files of certificates in PEM, key= one of the private key of cert=, and that doorward may read them")
		}
	}
	return v.problems
}

// upstreamFiles are the contents of the files.
type upstreamFiles struct{ ca, cert, key string }

// credentials are what the files say: whom to trust, and who doorward is; nil where there is no such file.
type credentials struct {
	roots *x509.CertPool
	pair  *tls.Certificate
}

// read reads and understands the files. Its error shows nothing of what they hold.
func (t UpstreamTLS) read() (credentials, error) {
	files, err := t.contents()
	if err != nil {
		return credentials{}, err
	}
	return t.parse(files)
}

func (t UpstreamTLS) contents() (files upstreamFiles, err error) {
	for _, f := range []struct {
		option, path string
		text         *string
	}{{"ca", t.CA, &files.ca}, {"cert", t.Cert, &files.cert}, {"key", t.Key, &files.key}} {
		if f.path == "" {
			continue
		}
		if *f.text, err = readPlain(f.path); err != nil {
			return files, fmt.Errorf("%s=: reading %s: %s", f.option, quote(f.path), reason(err))
		}
	}
	return files, nil
}

func (t UpstreamTLS) parse(files upstreamFiles) (c credentials, err error) {
	if t.CA != "" {
		if err := checkCertificates([]byte(files.ca)); err != nil {
			return c, fmt.Errorf("ca=%s %w", t.CA, err)
		}
		c.roots = x509.NewCertPool()
		c.roots.AppendCertsFromPEM([]byte(files.ca))
	}
	if t.Cert != "" {
		if err := checkCertificates([]byte(files.cert)); err != nil {
			return c, fmt.Errorf("cert=%s %w", t.Cert, err)
		}
		pair, err := tls.X509KeyPair([]byte(files.cert), []byte(files.key))
		if err != nil {
			return c, errors.New("key=" + t.Key + " is not the private key of cert=, whole, in PEM and without a password")
		}
		c.pair = &pair
	}
	return c, nil
}

// FollowTLS returns how to connect to the upstream by TLS, with what its files say at that moment, and a function that looks at the files when
// nobody connects; both are nil where the entry names no file. What cannot be used leaves what the files held before in place, and notice is told
// of that, and of every change, under the setting's name and the entry's pattern.
func (u Upstream) FollowTLS(notice func(setting string, err error)) (c *tls.Config, look func()) {
	if u.TLS == (UpstreamTLS{}) {
		return nil, nil
	}
	f := &followedTLS{files: u.TLS, subject: Prefix + "_UPSTREAMS " + u.Pattern, notice: notice}
	f.seen, _ = u.TLS.contents()
	f.value, _ = u.TLS.parse(f.seen)
	c = &tls.Config{MinVersion: tls.VersionTLS12}
	if u.TLS.Cert != "" {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if pair := f.current().pair; pair != nil {
				return pair, nil
			}
			return nil, errUnread
		}
	}
	if u.TLS.CA != "" {
		// RootCAs cannot change with a file, so crypto/tls leaves the verification to us, and it is the same one.
		c.InsecureSkipVerify = true
		c.VerifyConnection = func(s tls.ConnectionState) error { return verify(s, f.current().roots, u.URL.Hostname()) }
	}
	return c, func() { f.current() }
}

// errUnread is for files that were gone since the settings were checked: without them the system's authorities would count.
var errUnread = errors.New("the files of ca=, cert= and key= could not be read yet")

// verify does what crypto/tls does, and errs as it does: a chain to one of the roots, for servers, within its time, and for that host. The host is
// the entry's, since ConnectionState has no ServerName for an address, and x509 would then verify none.
func verify(s tls.ConnectionState, roots *x509.CertPool, host string) error {
	if roots == nil {
		return errUnread
	}
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: host})
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: err}
	}
	return nil
}

// followedTLS reads its small files anew each time that it is asked, which is once a new connection, far less than the handshake costs, and whenever
// they may have changed.
type followedTLS struct {
	files   UpstreamTLS
	subject string
	notice  func(setting string, err error)

	mu      sync.Mutex
	seen    upstreamFiles
	value   credentials
	trouble string
}

func (f *followedTLS) current() credentials {
	f.mu.Lock()
	defer f.mu.Unlock()
	files, err := f.files.contents()
	changed := err == nil && files != f.seen
	if err == nil && (changed || f.trouble != "") {
		var value credentials
		if value, err = f.files.parse(files); err == nil {
			f.value = value
		}
		f.seen = files
	}
	switch {
	case err != nil && err.Error() != f.trouble:
		f.trouble = err.Error()
		f.notice(f.subject, err)
	case err == nil && (changed || f.trouble != ""):
		f.trouble = ""
		f.notice(f.subject, nil)
	}
	return f.value
}
