package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What is wrong with name, logo and templates keeps doorward from starting, each under its setting.
func TestPagesAreTriedAtTheStart(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"denied.html": "<p>\n{{.Titel}}", "error.html": "<script>", "signed-out.html": "fine", "logo.svg": "no picture"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	ps := problems(t, map[string]string{"BRAND_NAME": strings.Repeat("x", 61), "BRAND_LOGO": filepath.Join(dir, "logo.svg"), "PAGES_DIR": dir})

	var found []string
	for _, p := range ps {
		wrong, _, _ := strings.Cut(strings.ReplaceAll(p.Wrong, dir, "DIR"), ": ")
		found = append(found, p.Variable+" "+wrong)
		if p.Mend == "" {
			t.Errorf("%s has no mend", p)
		}
	}
	want := []string{"DOORWARD_BRAND_NAME is longer than 60 characters", "DOORWARD_BRAND_LOGO DIR/logo.svg", "DOORWARD_PAGES_DIR DIR/denied.html:2",
		"DOORWARD_PAGES_DIR DIR/error.html:1"}
	if !slices.Equal(found, want) {
		t.Errorf("the problems are %q, not %q", found, want)
	}
}

func TestPagesAsTheyShouldBe(t *testing.T) {
	c := load(t, map[string]string{"BRAND_NAME": "Acme", "BRAND_LOGO": "../deploy/pages/example/logo.svg", "PAGES_DIR": "../deploy/pages/example"})
	if o := c.PageOptions(); o.Name != "Acme" || o.Logo != c.BrandLogo || o.Dir != c.PagesDir {
		t.Errorf("the options are %+v", o)
	}
}
