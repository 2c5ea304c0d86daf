//go:build linux

// Package systemd tests doorward as README.md makes it a service of systemd.
package systemd

import (
	"testing"

	"doorward/deploy/programtest"
)

func TestMain(m *testing.M) { programtest.Main(m) }
