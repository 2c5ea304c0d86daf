//go:build !unix

package main

// takeHanded returns nothing: there is no systemd here.
func takeHanded() (handed, error) { return nil, nil }
