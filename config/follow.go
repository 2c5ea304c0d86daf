package config

import (
	"os"
	"sync"
	"time"
)

// A value that came from a file, a secret above all, may change while doorward runs: somebody writes the file anew, or Kubernetes turns the
// symbolic link that leads to it. So whoever needs the value asks for it each time:
//
//   - The file is looked at each time, through links, and read when it is another file or was written.
//   - A new content that cannot be used, and a file that is gone, leave the last good value in place. That is told once.
//   - Only a plain file is read again: a pipe would block. One that stood there from the start, such as a shell's <(…), was emptied by the
//     first reading, and its value stays; a plain file that became a pipe, a device or a folder is told of like one that is gone.

// follow returns what gives the value of a setting, named without prefix, as it is now: what read makes of its text, or of what its file holds
// where one does. notice is told when another value counts from now on (nil), and when a new content cannot be used (why). It is called in the
// goroutine that asks.
func follow[T any](c *Config, name, text string, read func(text string) (T, Problems), notice func(variable string, err error)) func() T {
	f := &followed[T]{setting: settingOf(name), path: c.files[name], read: read, notice: notice, text: text}
	f.value, _ = read(text)
	if f.path == "" || isSpecial(f.path) {
		return func() T { return f.value }
	}
	return f.current
}

// asWritten reads a text that is a value as it is.
func asWritten(text string) (string, Problems) { return text, nil }

// followed is a setting whose value follows its file.
type followed[T any] struct {
	setting setting
	path    string
	read    func(text string) (T, Problems)
	notice  func(variable string, err error)

	mu      sync.Mutex
	value   T
	text    string      // of which value was read
	seen    os.FileInfo // of the file when it was last read; nil: not since the start, or not the last time
	seenAt  time.Time
	trouble string // that notice was told last; empty when all is well
}

func (f *followed[T]) current() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed() {
		f.reread()
	}
	return f.value
}

// tick is how coarse the clock of a file system may be. Within it a file may be written twice and show the same time.
const tick = 2 * time.Second

// changed tells whether the file may hold something else than when it was last read.
func (f *followed[T]) changed() bool {
	now, err := os.Stat(f.path)
	if err != nil {
		f.seen = nil
		return true
	}
	before, settled := f.seen, f.seen != nil && f.seenAt.Sub(f.seen.ModTime()) > tick
	f.seen, f.seenAt = now, time.Now()
	return !settled || !os.SameFile(before, now) || !before.ModTime().Equal(now.ModTime()) || before.Size() != now.Size()
}

func (f *followed[T]) reread() {
	text, problems := f.setting.readFile(f.path, readPlain)
	if problems != nil {
		f.seen = nil // when it can be read, its time will be the same
	} else {
		text, problems = f.setting.clean(text)
	}
	value := f.value
	if problems == nil && text != f.text {
		value, problems = f.read(text)
	}
	if problems != nil {
		f.complain(problems)
		return
	}
	if text != f.text || f.trouble != "" {
		f.notice(f.setting.name, nil)
	}
	f.value, f.text, f.trouble = value, text, ""
}

func (f *followed[T]) complain(problems Problems) {
	if trouble := problems.Error(); trouble != f.trouble {
		f.trouble = trouble
		f.notice(f.setting.name, problems)
	}
}
