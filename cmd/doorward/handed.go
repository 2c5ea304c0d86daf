//go:build unix

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Sockets may be bound by somebody else who hands them over to doorward: systemd, by the protocol of sd_listen_fds(3). So a port below 1024
// needs no privilege here, and whoever connects while doorward is started anew waits in the socket and is not refused.
//
//   - What is meant for another process (LISTEN_PID) is left alone.
//   - A socket is told by its name. One that does not fit refuses the start: served by nobody, its clients would wait for ever.
//   - The variables go out of the environment, since they say nothing to anybody else.

// firstHanded is SD_LISTEN_FDS_START.
const firstHanded = 3

// takeHanded returns the sockets that were handed over, by the setting whose place each takes.
func takeHanded() (handed, error) {
	names, err := handedVariables()
	if err != nil {
		return nil, err
	}
	settings, sockets := map[string]string{"public": "LISTEN_ADDR", "metrics": "METRICS_ADDR"}, handed{}
	for i, name := range names {
		setting, known := settings[name]
		if !known {
			return nil, fmt.Errorf("LISTEN_FDNAMES: socket %d is called %q; call it public or metrics (FileDescriptorName= in its unit)", i+1, name)
		}
		if sockets[setting] != nil {
			return nil, fmt.Errorf("LISTEN_FDNAMES: two sockets are called %q; leave one of them out (one ListenStream= in each unit)", name)
		}
		if sockets[setting], err = takeSocket(firstHanded + i); err != nil {
			return nil, fmt.Errorf("LISTEN_FDS: the socket %q cannot be served: %w; hand over a TCP socket that listens (ListenStream= with a port, Accept=no)", name, err)
		}
	}
	return sockets, nil
}

// handedVariables are the names of the sockets, in their order.
func handedVariables() ([]string, error) {
	pid, count, text := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if pid != strconv.Itoa(os.Getpid()) || count == "0" {
		return nil, nil
	}
	names := strings.Split(text, ":")
	if count != strconv.Itoa(len(names)) {
		return nil, fmt.Errorf("LISTEN_FDS: %q is not the number of names in LISTEN_FDNAMES, %q; start doorward by a unit, or with systemd-socket-activate --fdname=public", count, text)
	}
	return names, nil
}

func takeSocket(descriptor int) (net.Listener, error) {
	listens, err := syscall.GetsockoptInt(descriptor, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	if err != nil {
		return nil, err
	}
	if listens == 0 {
		return nil, errors.New("it does not listen")
	}
	file := os.NewFile(uintptr(descriptor), "")
	defer file.Close() // the listener has a descriptor of its own
	l, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	if l.Addr().Network() != "tcp" {
		l.Close()
		return nil, errors.New("it is a " + l.Addr().Network() + " socket")
	}
	return l, nil
}
