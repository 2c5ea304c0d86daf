package proxy

import (
	"net/http"
	"slices"

	"doorward/proxy/pages"
	"doorward/proxy/provider"
)

type (
	page   = pages.Page
	action = pages.Action
)

// detail is a line to quote.
type detail struct{ Label, Value string }

// htmlType is the type of all that people are shown.
const htmlType = "text/html; charset=utf-8"

// page writes a page.
func (p *Proxy) page(x *exchange, r *http.Request, status int, shown page) error {
	shown.RequestID = x.id
	rendered, err := p.pages.Render(shown)
	if rendered == nil {
		return err
	}
	if err != nil {
		p.log.Error("page_failed", "page", string(shown.Kind), "request_id", x.id, "error", shortened(err.Error()), "says", "doorward's own was shown")
	}
	h := x.Header()
	noStore(h)
	if slices.ContainsFunc(shown.Actions, func(a action) bool { return a.Post }) {
		h.Set("Referrer-Policy", "same-origin") // or browsers post the form as from nowhere, with the origin null (Fetch 3.2)
	}
	h.Set("Content-Security-Policy", rendered.Policy)
	h.Set("X-Frame-Options", "DENY")
	if !isOfLogin(shown) {
		h.Set("Cross-Origin-Opener-Policy", "same-origin") // ASVS 3.4.8: whoever opened the window keeps no hold of it
	}
	x.send(r, status, htmlType, rendered.Body)
	return nil
}

// isOfLogin says whether a login goes on from a page, or may. An application may have opened a window for it, and wait there for who comes back.
func isOfLogin(shown page) bool {
	switch shown.Kind {
	case pages.LoginExpired, pages.LoginFailed, pages.LoginLoop, pages.ProviderDown:
		return true
	}
	return shown.Continue != ""
}

// kind says which page tells a person of the failure.
func (f *failure) kind() pages.Kind {
	switch f.code {
	case "denied":
		return pages.Denied
	case "upstream_error", "upstream_timeout":
		return pages.UpstreamDown
	case "ambiguous_path":
		return pages.AmbiguousPath
	case "unknown_host", "no_login_here":
		return pages.UnknownHost
	case "not_found", "no_upstream":
		return pages.NotFound
	case "login_failed":
		return f.kindOfLogin()
	case "login_loop":
		return pages.LoginLoop
	}
	return pages.Error
}

// kindOfLogin says which page tells of a login that failed.
func (f *failure) kindOfLogin() pages.Kind {
	switch f.reason {
	case "no_login_state":
		return pages.LoginExpired
	case provider.KindUnavailable.String():
		return pages.ProviderDown
	}
	return pages.LoginFailed
}
