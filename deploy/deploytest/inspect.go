package deploytest

import (
	"testing"

	"doorward/config"
	"doorward/proxy"
	"doorward/proxy/provider"
)

// Inspect is what `doorward check --live` finds at the provider, by a finding's id, with the settings of [Site.Start]. Of several findings
// with one id it is the gravest.
func (s *Site) Inspect(t testing.TB, issuer string, settings func(*config.Config)) map[string]provider.Finding {
	t.Helper()
	c := s.config(issuer, "", settings)
	o, err := proxy.ProviderOptions(c, func(string, error) {})
	if err != nil {
		t.Fatal(err)
	}
	p, err := provider.New(o)
	if err != nil {
		t.Fatal(err)
	}
	findings, err := p.Inspect(t.Context(), c.CallbackURLs()...)
	if err != nil {
		t.Fatal(err)
	}
	gravest := map[string]provider.Finding{}
	for _, f := range findings {
		if before, ok := gravest[f.ID]; !ok || before.Level == provider.LevelOK || f.Level == provider.LevelFail {
			gravest[f.ID] = f
		}
		t.Log(f.Level, f.Subject+":", f.Says)
	}
	return gravest
}

// WantFindings fails the test unless [Site.Inspect] finds what it should, by the id, with several settings, some of which may be nil.
func (s *Site) WantFindings(t testing.TB, issuer string, want map[string]provider.Level, settings ...func(*config.Config)) {
	t.Helper()
	found := s.Inspect(t, issuer, func(c *config.Config) {
		for _, set := range settings {
			if set != nil {
				set(c)
			}
		}
	})
	for id, level := range want {
		if found[id].Level != level {
			t.Errorf("%+v, want %s of %s", found[id], level, id)
		}
	}
}
