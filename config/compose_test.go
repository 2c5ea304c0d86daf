package config_test

import (
	"os"
	"regexp"
	"testing"
)

// Whoever writes a setting into .env expects it to count: compose passes on what docker-compose.yml names, and nothing says so of the rest.
func TestComposePassesEverySettingOn(t *testing.T) {
	compose, err := os.ReadFile("../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)`").FindAllStringSubmatch(table(true), -1) {
		name := row[1]
		fixed := name == "DOORWARD_LISTEN_ADDR" || name == "DOORWARD_METRICS_ADDR" // ports are what compose publishes
		if passed := regexp.MustCompile(`(?m)^ +` + name + `:`).Match(compose); passed == fixed {
			t.Errorf("%s: passed on is %v", name, passed)
		}
	}
}
