//go:build unix && race

package redis

// buildFlags build doorward as the tests were built: with the race detector, where they have it.
var buildFlags = []string{"-race"}
