//go:build unix && race

package redis

var buildFlags = []string{"-race"}
