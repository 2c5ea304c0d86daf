//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package session

import (
	"errors"
	"os"
)

// lockFile fails: without a lock two processes could write over each other's revocations.
func lockFile(string) (*os.File, error) {
	return nil, errors.New("this system has no file locks; leave the setting out")
}
