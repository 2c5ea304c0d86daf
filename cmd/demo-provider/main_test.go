package main

import (
	"slices"
	"testing"
)

func TestOptionsComeFromTheEnvironment(t *testing.T) {
	environment := map[string]string{"ISSUER_URL": "http://localhost:1", "REDIRECT_URIS": "http://a/cb, http://b/cb"}
	o := options(func(name string) string { return environment[name] })
	if o.Issuer != "http://localhost:1" || !slices.Equal(o.RedirectURIs, []string{"http://a/cb", "http://b/cb"}) {
		t.Errorf("options are %+v", o)
	}
	if o.ClientID != "doorward-demo" || o.Audience != "demo-api" {
		t.Errorf("defaults are %+v", o)
	}
}
