package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	settleFor = 100 * time.Millisecond // whoever changes one file changes others with it
	lookEvery = time.Minute            // for file systems that tell of nothing, as many on a network
)

// watch knows when one of the files may have changed: when the file system tells of something in its folder, on SIGHUP, and every minute.
type watch struct {
	files  []string
	log    *slog.Logger
	hangup chan os.Signal
	told   <-chan fsnotify.Event
	close  func()
}

// newWatch watches from now on.
func newWatch(files []string, log *slog.Logger) *watch {
	w := &watch{files: files, log: log, hangup: make(chan os.Signal, 1), close: func() {}}
	signal.Notify(w.hangup, syscall.SIGHUP)
	if folders, err := fsnotify.NewWatcher(); err == nil {
		w.watchFolders(folders)
	} else {
		w.blind(err)
	}
	return w
}

// watchFolders watches the folders that the files are in: of a file itself nothing would be told any more once another one was put in its place.
func (w *watch) watchFolders(folders *fsnotify.Watcher) {
	for _, file := range w.files {
		if err := folders.Add(filepath.Dir(file)); err != nil {
			w.blind(err)
		}
	}
	go func() { // or the watcher would wait for somebody to take them
		for err := range folders.Errors {
			w.blind(err)
		}
	}()
	w.told, w.close = folders.Events, func() { _ = folders.Close() }
}

// blind tells that changes are seen late.
func (w *watch) blind(err error) {
	w.log.Warn("files_not_watched", "error", err.Error(), "says", "changed files are seen within a minute, and at once on SIGHUP")
}

// run calls look until ctx ends. SIGHUP is caught even then: otherwise it would end the process, amid its last requests.
func (w *watch) run(ctx context.Context, look func()) {
	defer w.close()
	minute := time.NewTicker(lookEvery)
	defer minute.Stop()
	settled := time.After(0) // what changed before somebody watched
	for {
		select {
		case <-w.hangup:
			look()
			w.log.Info("config_looked_at", "files", len(w.files))
		case <-w.told:
			if settled == nil { // where files never rest they are looked at all the same
				settled = time.After(settleFor)
			}
		case <-settled:
			settled = nil
			look()
		case <-minute.C:
			look()
		case <-ctx.Done():
			return
		}
	}
}
