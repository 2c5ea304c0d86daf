package config_test

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"doorward/deploy/certtest"
)

// certificate makes a certificate for app.example.com that ends then, and its key.
func certificate(t *testing.T, ends time.Time) (cert, key string) {
	t.Helper()
	own := certtest.New(t).Issue(1, ends, "app.example.com")
	return own.Certificate, own.Key
}

// file writes a value to a file and gives its path.
func file(t *testing.T, value string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWrongCertificates(t *testing.T) {
	cert, key := certificate(t, time.Now().Add(time.Hour))
	_, another := certificate(t, time.Now().Add(time.Hour))
	encrypted := string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte(canary)}))
	for name, test := range map[string]struct {
		changes map[string]string
		wrong   string
	}{
		"no key":                {map[string]string{"TLS_CERT": cert}, "needs DOORWARD_TLS_KEY"},
		"no certificate":        {map[string]string{"TLS_KEY": key}, "needs DOORWARD_TLS_KEY"},
		"another's key":         {map[string]string{"TLS_CERT": cert, "TLS_KEY": another}, "for another key"},
		"a key with a password": {map[string]string{"TLS_CERT": cert, "TLS_KEY": encrypted}, "no whole private key"},
		"half a key":            {map[string]string{"TLS_CERT": cert, "TLS_KEY": key[:60]}, "no whole private key"},
		"half a certificate":    {map[string]string{"TLS_CERT": cert[:100], "TLS_KEY": key}, "no PEM certificate"},
		"key for certificate":   {map[string]string{"TLS_CERT": key, "TLS_KEY": key}, "something else than certificates"},
		"plain http":            {map[string]string{"TLS_CERT": cert, "TLS_KEY": key, "PUBLIC_URL": "http://localhost"}, "is plain http"},
	} {
		t.Run(name, func(t *testing.T) {
			ps := problems(t, test.changes)
			if len(ps) != 1 || ps[0].Variable != "DOORWARD_TLS_CERT" || !strings.Contains(ps[0].Wrong, test.wrong) {
				t.Errorf("the problems are %v", ps)
			}
			if strings.Contains(ps.Error(), "BEGIN") {
				t.Error("the problem shows the key")
			}
		})
	}
}

// What browsers will refuse is told, and soon enough to be mended.
func TestNotesOnTheCertificate(t *testing.T) {
	for name, test := range map[string]struct {
		left   time.Duration
		origin string
		says   string
	}{
		"fresh":        {60 * 24 * time.Hour, "https://app.example.com", ""},
		"nearly over":  {13 * 24 * time.Hour, "https://app.example.com", "renew it"},
		"over":         {-time.Hour, "https://app.example.com", "expired at"},
		"another host": {60 * 24 * time.Hour, "https://app.example.com,https://other.example.com", "not for other.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			cert, key := certificate(t, time.Now().Add(test.left))
			c := load(t, map[string]string{"PUBLIC_URL": test.origin, "TLS_CERT_FILE": file(t, cert), "TLS_KEY_FILE": file(t, key)})
			var notes []string
			for _, note := range c.Notes() {
				if strings.Contains(note, "TLS_CERT") {
					notes = append(notes, note)
				}
			}
			if test.says == "" && notes != nil || test.says != "" && (len(notes) != 1 || !strings.Contains(notes[0], test.says)) {
				t.Errorf("the notes are %q", notes)
			}
		})
	}
}

// People sign in at hosts that rules name, too, where these share the sessions.
func TestCertificateOfASibling(t *testing.T) {
	cert, key := certificate(t, time.Now().Add(60*24*time.Hour))
	c := load(t, map[string]string{"COOKIE_DOMAIN": "example.com", "ACCESS_RULES": "/ authenticated; wiki.example.com/ authenticated",
		"TLS_CERT_FILE": file(t, cert), "TLS_KEY_FILE": file(t, key)})
	if notes := strings.Join(c.Notes(), "\n"); !strings.Contains(notes, "DOORWARD_TLS_CERT is not for wiki.example.com") {
		t.Errorf("the notes are %q", notes)
	}
}
