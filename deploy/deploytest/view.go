package deploytest

import (
	"context"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// View is how a page is looked at.
type View struct {
	Name          string
	Width, Height int64  // of the window
	Scheme        string // that the person prefers: light or dark
}

// Views are those at which a page of doorward's has to look right: on the narrowest phone that is about and on a desk, by day and by
// night.
func Views() []View {
	return []View{{"phone-light", 360, 760, "light"}, {"phone-dark", 360, 760, "dark"}, {"desktop-light", 1200, 760, "light"}, {"desktop-dark", 1200, 760, "dark"}}
}

// Look looks at the page in that way from now on.
func (b *Browser) Look(v View) {
	b.t.Helper()
	b.do("looking at the page as "+v.Name, chromedp.EmulateViewport(v.Width, v.Height), colourScheme(v.Scheme))
}

// Save takes a picture of what the window shows.
func (b *Browser) Save(file string) {
	b.t.Helper()
	b.save(file, chromedp.CaptureScreenshot())
}

// WithoutScripts is a person who has turned scripts off.
func (b *Browser) WithoutScripts() {
	b.t.Helper()
	b.do("turning scripts off", func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return none, err
	})
}

// Evaluate runs a script as the developer tools would, whatever the page's policy says of scripts, and returns what it gives, or what its
// promise does.
func Evaluate[T any](b *Browser, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, func(p *runtime.EvaluateParams) { p.AwaitPromise = new(true) }))
	if err != nil {
		b.t.Fatalf("evaluating a script: %v\n%s", err, b.shown())
	}
	return value
}

// History is the addresses to which the browser's back button could lead, the oldest first, and the one that it shows.
func (b *Browser) History() []string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	found, err := chromedp.Run(ctx, chromedp.NavigationEntries())
	if err != nil {
		b.t.Fatalf("looking at the history: %v", err)
	}
	var addresses []string
	for _, entry := range found.Entries {
		addresses = append(addresses, entry.URL)
	}
	return addresses
}

// Forget makes a fresh browser of it: nobody is signed in anywhere.
func (b *Browser) Forget() {
	b.t.Helper()
	b.do("forgetting the cookies", func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, t, network.ClearBrowserCookies, cdp.Empty{})
		return none, err
	})
}

// Tab presses the tabulator key.
func (b *Browser) Tab() {
	b.t.Helper()
	b.do("pressing the tabulator", chromedp.KeyEvent("\t"))
}

// Enter presses the enter key, and returns the page that it leads to.
func (b *Browser) Enter() Page {
	b.t.Helper()
	return b.click("pressing enter", chromedp.KeyEvent("\r"))
}
