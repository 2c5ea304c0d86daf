package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"doorward/config"
)

// handed are the sockets that somebody else has bound, by the setting whose place each takes, named without prefix.
type handed map[string]net.Listener

// bind returns the socket of a setting: the one that was handed over, else one at the address. Where both are asked for, neither is
// right; the address where doorward listens by itself stands for none.
func (h handed) bind(ctx context.Context, setting, address, byItself string) (net.Listener, error) {
	l := h[setting]
	if l != nil && address != byItself {
		return nil, fmt.Errorf("%s_%s: is set, and a socket was handed over for it (LISTEN_FDS); leave one of them out", config.Prefix, setting)
	}
	if l != nil {
		return l, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s_%s: listening: %w; %s", config.Prefix, setting, err, mendListening(err))
	}
	return l, nil
}

func mendListening(err error) string {
	_, unknown := errors.AsType[*net.DNSError](err)
	switch {
	case errors.Is(err, syscall.EACCES):
		return "ports below 1024 want root, CAP_NET_BIND_SERVICE, or a socket of systemd's: choose a higher one, or see deploy/systemd"
	case errors.Is(err, syscall.EADDRNOTAVAIL), unknown:
		return "write an address of this machine's, or the port alone"
	}
	return "free the address or choose another"
}
