//go:build linux

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// visitor is a person with a browser who signs in as people do.
type visitor struct {
	name   string
	client *http.Client
}

func newVisitor(name string) *visitor {
	jar, _ := cookiejar.New(nil) // never fails without options
	return &visitor{name, &http.Client{Jar: jar, Timeout: 30 * time.Second}}
}

// signIn opens an address, and signs in where the provider asks. It gives the cookies that the site has set.
func (v *visitor) signIn(address string) (cookies string, err error) {
	page, body, err := v.get(address)
	if err != nil {
		return "", err
	}
	if strings.Contains(body, `name="user"`) {
		if page, body, err = v.press(page, body); err != nil {
			return "", err
		}
	}
	if page.StatusCode != http.StatusOK {
		return "", fmt.Errorf("signing in at %s ends with %s: %.200s", address, page.Status, body)
	}
	at, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	var pairs []string
	for _, cookie := range v.client.Jar.Cookies(at) {
		pairs = append(pairs, cookie.Name+"="+cookie.Value)
	}
	if len(pairs) == 0 {
		return "", fmt.Errorf("signing in at %s sets no cookie", address)
	}
	return strings.Join(pairs, "; "), nil
}

// press presses the person's button on the demo provider's login page.
func (v *visitor) press(page *http.Response, body string) (*http.Response, string, error) {
	form := url.Values{"user": {v.name}}
	for rest := body; ; {
		_, after, found := strings.Cut(rest, `type="hidden" name="`)
		if !found {
			break
		}
		name, after, _ := strings.Cut(after, `"`)
		_, after, _ = strings.Cut(after, `value="`)
		value, after, _ := strings.Cut(after, `"`)
		form.Set(name, value)
		rest = after
	}
	return read(v.client.PostForm(page.Request.URL.ResolveReference(&url.URL{Path: "/session/login"}).String(), form))
}

func (v *visitor) get(address string) (*http.Response, string, error) {
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Accept", "text/html")
	return read(v.client.Do(r))
}

func read(answer *http.Response, err error) (*http.Response, string, error) {
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer, string(body), err
}
