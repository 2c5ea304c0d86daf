package main

import (
	"io"
	"strings"
	"testing"
)

func TestMissingSettingsAreNamed(t *testing.T) {
	err := run(t.Context(), func(string) string { return "" }, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "ISSUER_URL and AUDIENCE") {
		t.Errorf("the error is %v", err)
	}
}
