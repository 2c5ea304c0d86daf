package deploytest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// Visitor is a person whose browser knows no scripts: it keeps cookies, follows redirects and sends forms. It is a hundred
// times as fast as [Browser], and sees the status of every page; what browsers themselves decide (SameSite, content
// security policies) is Browser's to show.
type Visitor struct {
	t    testing.TB
	http *http.Client
}

func newVisitor(t testing.TB, roots *x509.CertPool) *Visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &Visitor{t, &http.Client{Jar: loopbackJar{jar}, Transport: transport, Timeout: patience}}
}

// loopbackJar treats plain http as browsers treat it on loopback, where all servers of these tests are: as safe enough for
// Secure cookies.
type loopbackJar struct{ jar *cookiejar.Jar }

func (j loopbackJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	j.jar.SetCookies(safe(u), cookies)
}

func (j loopbackJar) Cookies(u *url.URL) []*http.Cookie { return j.jar.Cookies(safe(u)) }

func safe(u *url.URL) *url.URL {
	https := *u
	https.Scheme = "https"
	return &https
}

// Intercept lets change rewrite the address whenever a redirect leads to one, as somebody between the two could.
func (v *Visitor) Intercept(address string, change func(*url.URL)) {
	v.http.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if at := *r.URL; at.Scheme+"://"+at.Host+at.Path == address {
			change(r.URL)
		}
		return nil
	}
}

// Forbid makes it an error that a redirect leads to an address.
func (v *Visitor) Forbid(address string) {
	v.Intercept(address, func(*url.URL) { v.t.Errorf("a redirect led to %s", address) })
}

// Sheet is a page as a Visitor sees it, after all redirects.
type Sheet struct {
	Status int
	URL    *url.URL
	Body   string
}

// Open goes to an address, as if typed into the address bar.
func (v *Visitor) Open(address string) *Sheet {
	v.t.Helper()
	return v.OpenTabs(address, 1)[0]
}

// OpenTabs goes to an address in several tabs at once.
func (v *Visitor) OpenTabs(address string, n int) []*Sheet {
	v.t.Helper()
	sheets, errs := make([]*Sheet, n), make([]error, n)
	var tabs sync.WaitGroup
	for i := range n {
		tabs.Go(func() { sheets[i], errs[i] = v.visit(http.MethodGet, address, nil, nil) })
	}
	tabs.Wait()
	if err := errors.Join(errs...); err != nil {
		v.t.Fatal(err)
	}
	return sheets
}

// Send sends the page's form, the hidden fields and those given, as a click on its button would.
func (v *Visitor) Send(s *Sheet, fields url.Values) *Sheet {
	v.t.Helper()
	action, hidden := s.form(v.t)
	for name := range fields {
		hidden[name] = fields[name]
	}
	sent, err := v.visit(http.MethodPost, action.String(), strings.NewReader(hidden.Encode()), http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {s.URL.Scheme + "://" + s.URL.Host},
	})
	if err != nil {
		v.t.Fatal(err)
	}
	return sent
}

// visit makes a person's request and follows where it leads.
func (v *Visitor) visit(method, address string, body io.Reader, header http.Header) (*Sheet, error) {
	r, err := http.NewRequestWithContext(v.t.Context(), method, address, body)
	if err != nil {
		return nil, err
	}
	maps.Copy(r.Header, header)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	answer, err := v.http.Do(r)
	if err != nil {
		return nil, err
	}
	return read(answer)
}

func read(answer *http.Response) (*Sheet, error) {
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", answer.Request.URL.Path, err)
	}
	return &Sheet{answer.StatusCode, answer.Request.URL, string(body)}, nil
}

// tags are the page's tags of a name, in their order.
func (s *Sheet) tags(name string) []string {
	return regexp.MustCompile(`(?is)<`+name+`\b[^>]*>`).FindAllString(s.Body, -1)
}

// form is where the page's first form goes, and its hidden fields.
func (s *Sheet) form(t testing.TB) (*url.URL, url.Values) {
	t.Helper()
	forms := s.tags("form")
	if len(forms) == 0 {
		t.Fatalf("%s answers %d without a form:\n%s", s.URL, s.Status, s.Body)
	}
	action, err := s.URL.Parse(attribute(forms[0], "action"))
	if err != nil {
		t.Fatalf("the form's action: %v", err)
	}
	hidden := url.Values{}
	for _, input := range s.tags("input") {
		if strings.EqualFold(attribute(input, "type"), "hidden") {
			hidden.Add(attribute(input, "name"), attribute(input, "value"))
		}
	}
	return action, hidden
}

func attribute(tag, name string) string {
	value := regexp.MustCompile(`(?i)\s` + name + `="([^"]*)"`).FindStringSubmatch(tag)
	if value == nil {
		return ""
	}
	return html.UnescapeString(value[1])
}

// Want ends the test unless the page is at an address (without its query) with a status, and shows each of the texts.
func (s *Sheet) Want(t testing.TB, address string, status int, texts ...string) {
	t.Helper()
	at := *s.URL
	at.RawQuery = ""
	if at.String() != address || s.Status != status {
		t.Fatalf("%s answers %d, want %s and %d:\n%s", s.URL, s.Status, address, status, s.Body)
	}
	for _, text := range texts {
		if !strings.Contains(s.Body, text) {
			t.Fatalf("%s does not show %q:\n%s", s.URL, text, s.Body)
		}
	}
}
