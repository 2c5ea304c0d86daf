package config

// The strict layer in front of envconfig. envconfig trims nothing, lets empty
// list items and empty required values through, ignores variables that it does
// not know, stops at the first error and prints the value in it. So:
//
//   - every variable with the prefix is a setting, the file of a setting, or
//     one that Kubernetes injects; anything else is a problem;
//   - every value is cleaned and checked here, and envconfig gets only values
//     that it cannot fail on;
//   - no message holds a value of a secret, nor the path in X_FILE of a secret,
//     where the secret itself may have been written by mistake.

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/kelseyhightower/envconfig"
)

// maxFileBytes bounds a file that holds a value.
const maxFileBytes = 1 << 20

// readEnvironment gathers the cleaned value of every setting that is set, by
// the variable's name, and what is wrong with the others. A setting that is
// set to nothing counts as unset, but a required one is a problem.
func readEnvironment() (map[string]string, Problems) {
	values := make(map[string]string)
	problems := unknownVariables(os.Environ())
	for _, s := range settings() {
		text, wrong := s.lookup()
		if wrong == nil && text != "" {
			text, wrong = s.clean(text)
		}
		problems = append(problems, wrong...)
		if wrong == nil && text != "" {
			values[s.name] = text
		}
	}
	return values, problems
}

// lookup returns the setting's value as it was written, from the variable or
// from the file.
func (s setting) lookup() (string, Problems) {
	value, set := os.LookupEnv(s.name)
	path := os.Getenv(s.name + fileSuffix)
	switch {
	case value != "" && path != "":
		return "", s.problems("is set, and so is "+s.name+fileSuffix, "leave one of them out")
	case path != "":
		return s.readFile(path, readBounded)
	case value == "" && set && s.required:
		return "", s.problems("is set but empty", s.mendMissing())
	}
	return value, nil
}

// fileOf is the path of the file that holds a setting, named without prefix; empty when none does.
func fileOf(name string) string {
	return os.Getenv(Prefix + "_" + name + fileSuffix)
}

// readFile returns what the file holds without its final newline.
func (s setting) readFile(path string, read func(path string) (string, error)) (string, Problems) {
	problem := Problem{Variable: s.name + fileSuffix, Mend: "name a file that holds the value of " + s.name + ", and that doorward may read"}
	file := "the file"
	if !s.secret {
		file = quote(path)
	}
	text, err := read(path)
	if err != nil {
		problem.Wrong = "reading " + file + ": " + reason(err)
		return "", Problems{problem}
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if text == "" {
		problem.Wrong = file + " is empty"
		return "", Problems{problem}
	}
	return text, nil
}

// readPlain reads a file again that may have become something else: a pipe would block, and a device may have no end.
func readPlain(path string) (string, error) {
	if isSpecial(path) {
		return "", errors.New("it is a folder, a pipe or a device, not a plain file")
	}
	return readBounded(path)
}

// isSpecial tells whether there is something, and no plain file.
func isSpecial(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.Mode().IsRegular()
}

func readBounded(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(data) > maxFileBytes {
		err = errors.New("it is larger than 1 MiB")
	}
	return string(data), err
}

// reason is the cause of a file error without the path, which may be a secret.
func reason(err error) string {
	if of, ok := errors.AsType[*fs.PathError](err); ok {
		err = of.Err
	}
	return err.Error()
}

// decode lets envconfig read the cleaned values into c. It reads the process
// environment alone, so they stand there for the moment of the call.
func decode(c *Config, values map[string]string) error {
	for _, s := range settings() {
		value, set := values[s.name]
		restore, err := swapVariable(s.name, value, set || s.required)
		if err != nil {
			return fmt.Errorf("setting %s: %w", s.name, err)
		}
		defer restore()
	}
	err := envconfig.Process(Prefix, c)
	// A ParseError prints the value, which may be a secret.
	if bad, ok := errors.AsType[*envconfig.ParseError](err); ok {
		return fmt.Errorf("reading %s: it is no %s", bad.KeyName, bad.TypeName)
	}
	return err
}

// swapVariable sets or unsets a variable and returns how to undo that.
// A required variable without a value is set to nothing: else envconfig would
// stop at it, and the other problems would not be seen.
func swapVariable(name, value string, set bool) (restore func(), err error) {
	before, was := os.LookupEnv(name)
	restore = func() { os.Unsetenv(name) }
	if was {
		restore = func() { os.Setenv(name, before) }
	}
	if set {
		return restore, os.Setenv(name, value)
	}
	return restore, os.Unsetenv(name)
}
