package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// checkRevocationsPath looks for a folder in which files can be made, since
// the file is written anew beside itself. That is tried: permissions, read-only
// file systems and full disks all show in the same way.
func checkRevocationsPath(c *Config) Problems {
	v := verdict{variable: "REVOCATIONS_PATH"}
	if c.RevocationsPath == "" {
		return nil
	}
	folder := filepath.Dir(c.RevocationsPath)
	if isSpecial(c.RevocationsPath) {
		v.add(quote(c.RevocationsPath)+" is no file", "write the path of a file, e.g. /var/lib/doorward/revocations")
	} else if err := tryFolder(folder); err != nil {
		v.add(fmt.Sprintf("no file can be made in %s: %v", quote(folder), err), "make the folder, and let doorward's user write in it")
	}
	return v.problems
}

func tryFolder(folder string) error {
	file, err := os.CreateTemp(folder, ".doorward-*")
	if err != nil {
		if known, ok := errors.AsType[*os.PathError](err); ok {
			return known.Err
		}
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}
