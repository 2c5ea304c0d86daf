package deploytest

import (
	"context"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"doorward/deploy/programtest"
)

// patience is how long one step in the browser may take on a busy machine before the test gives up on it.
const patience = 60 * time.Second

// Browser is a headless Chromium with a profile of its own, driven as a person would use it: by addresses, links,
// buttons and form fields. A step that fails ends the test and says what the browser showed.
type Browser struct {
	t   testing.TB
	ctx context.Context

	mu         sync.Mutex
	violations []string
}

// Page is what the browser shows after a navigation and all its redirects.
type Page struct {
	// Status is the HTTP status of the document.
	Status int
	// URL is the address in the address bar.
	URL string
	// Title is the document's title.
	Title string
	// Text is the text that a person sees.
	Text string
}

// NewBrowser starts a browser that ends with the test. Without Chromium on the machine it calls programtest.Missing.
func NewBrowser(t testing.TB) *Browser {
	t.Helper()
	b := &Browser{t: t}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, // Chromium refuses its sandbox to root, and containers have none to give
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("ignore-certificate-errors", true), // those of httptest are of nobody's making
		chromedp.Flag("disable-component-update", true),
		chromedp.WindowSize(1200, 900),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	b.ctx, _ = chromedp.NewContext(allocator)
	t.Cleanup(func() { _ = chromedp.Cancel(b.ctx) })
	if err := chromedp.Do(b.ctx); err != nil {
		t.Fatalf("starting chromium: %v", err)
	}
	if err := chromedp.Listen(b.ctx, b.listen); err != nil {
		t.Fatalf("listening to chromium: %v", err)
	}
	return b
}

func chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	programtest.Missing(t, "chromium", "no chromium in PATH (Debian: apt-get install chromium)")
	return ""
}

// listen keeps what the browser complains about under the heading of security: breaches of a page's content
// security policy above all.
func (b *Browser) listen(event any) {
	if e, ok := event.(*log.EventEntryAdded); ok && e.Entry.Source == log.EntrySourceSecurity {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.violations = append(b.violations, e.Entry.Text)
	}
}

// Violations returns what pages tried to do so far against their own content security policy.
func (b *Browser) Violations() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.violations
}

// Open goes to an address, as if typed into the address bar.
func (b *Browser) Open(url string) Page {
	b.t.Helper()
	return b.follow("opening "+url, chromedp.NavigateResponse(url))
}

// Press clicks the link or button that bears a text, and returns the page that it leads to.
func (b *Browser) Press(text string) Page {
	b.t.Helper()
	quoted := `"` + text + `"`
	path := `//button[normalize-space()=` + quoted + `] | //a[normalize-space()=` + quoted + `]`
	return b.click("pressing "+quoted, chromedp.Click(chromedp.Search(path)))
}

// Click clicks the element of a CSS selector, and returns the page that it leads to.
func (b *Browser) Click(selector string) Page {
	b.t.Helper()
	return b.click("clicking "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// Fill types a value into the form field of a CSS selector.
func (b *Browser) Fill(selector, value string) {
	b.t.Helper()
	b.do("filling "+selector, chromedp.SendKeys(chromedp.CSS(selector), value))
}

// Push clicks the element of a CSS selector, a button that a script listens to, and stays on the page.
func (b *Browser) Push(selector string) {
	b.t.Helper()
	b.do("pushing "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// WaitFor waits until the element of a CSS selector holds some text, for what arrives after the page itself.
func (b *Browser) WaitFor(selector string) {
	b.t.Helper()
	b.do("waiting for "+selector, chromedp.WaitVisible(chromedp.CSS(selector+":not(:empty)")))
}

func (b *Browser) click(what string, step chromedp.Action[chromedp.Void]) Page {
	b.t.Helper()
	return b.follow(what, func(ctx context.Context, _ *chromedp.Target) (*network.Response, error) {
		return chromedp.RunResponse(ctx, step)
	})
}

// follow takes a step that leads to another page and returns that page.
func (b *Browser) follow(what string, step chromedp.Action[*network.Response]) Page {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.Run(ctx, step); err != nil {
		b.t.Fatalf("%s: %v\n%s", what, err, b.shown())
	}
	return b.Page()
}

// Page returns what the browser shows now.
func (b *Browser) Page() Page {
	b.t.Helper()
	page, err := b.look()
	if err != nil {
		b.t.Fatalf("looking at the page: %v", err)
	}
	return page
}

// asItIs is what a page shows, in one look: it may lead on to another by itself, and what belongs to two would be nobody's. A step's own answer may be
// that of a page which led on by a script.
const asItIs = `({Status: performance.getEntriesByType("navigation")[0].responseStatus, URL: location.href, Title: document.title, Text: document.body.innerText})`

func (b *Browser) look() (page Page, err error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		if page, err = chromedp.Run(ctx, chromedp.Evaluate[Page](asItIs)); err == nil {
			return page, nil
		}
		select {
		case <-ticker.C: // between two pages there is none to look at
		case <-ctx.Done():
			return page, err
		}
	}
}

func (b *Browser) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v\n%s", what, err, b.shown())
	}
}

// shown describes the page for the message of a failed step.
func (b *Browser) shown() string {
	page, err := b.look()
	if err != nil {
		return "the browser shows nothing: " + err.Error()
	}
	return "the browser shows " + page.URL + "\n" + strings.TrimSpace(page.Text)
}
