package deploytest

import (
	"context"
	"os"
	"path/filepath"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Screenshot saves what the browser shows as NAME-desktop.png, NAME-phone.png and NAME-dark.png in the directory
// that the environment variable SCREENSHOTS names, whole pages, for people to look at. Without the variable it
// does nothing.
func (b *Browser) Screenshot(name string) {
	b.t.Helper()
	directory := os.Getenv("SCREENSHOTS")
	if directory == "" {
		return
	}
	for _, view := range []struct {
		name   string
		width  int64
		scheme string
	}{
		{"phone", 390, "light"},
		{"dark", 1200, "dark"},
		{"desktop", 1200, "light"},
	} {
		b.do("showing "+name+" for "+view.name, chromedp.EmulateViewport(view.width, 900), colourScheme(view.scheme))
		b.save(filepath.Join(directory, name+"-"+view.name+".png"), chromedp.FullScreenshot(100))
	}
}

func (b *Browser) save(file string, shot chromedp.Action[[]byte]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, shot)
	if err != nil {
		b.t.Fatalf("taking %s: %v", file, err)
	}
	if err := os.WriteFile(file, picture, 0o644); err != nil {
		b.t.Fatalf("saving a screenshot: %v", err)
	}
}

func colourScheme(scheme string) chromedp.Action[chromedp.Void] {
	feature := &emulation.MediaFeature{Name: "prefers-color-scheme", Value: scheme}
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		params := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{feature}}
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, params)
		return err
	})
}
