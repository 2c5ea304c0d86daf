//go:build unix

package redistest

import (
	"crypto/tls"
	"time"

	"doorward/deploy/certtest"
)

// certify makes an authority and has it vouch for the server: ca.pem, server.pem and server.key in the server's folder.
func (r *Redis) certify() {
	r.t.Helper()
	authority := certtest.New(r.t)
	own := authority.Issue(2, time.Now().Add(time.Hour), r.host())
	r.CA, r.tls = authority.PEM, &tls.Config{RootCAs: authority.Roots()}
	r.write("ca.pem", authority.PEM)
	r.write("server.pem", own.Certificate)
	r.write("server.key", own.Key)
}
