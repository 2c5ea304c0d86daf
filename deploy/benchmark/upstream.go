//go:build linux

package main

import (
	"bytes"
	"context"
	"net"
	"strconv"
	"strings"
)

// The upstream answers with next to no work of its own: 1 KiB, 1 MiB for the path /1m, and for /echo the head of the request.

type upstream struct{ kilobyte, megabyte []byte }

func answerOf(body string) []byte {
	return []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}

// serveUpstream serves until ctx ends.
func serveUpstream(ctx context.Context, addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	u := &upstream{answerOf(strings.Repeat("x", 1<<10)), answerOf(strings.Repeat("x", 1<<20))}
	for {
		conn, err := l.Accept()
		if err != nil {
			return nil
		}
		go u.answerAll(conn)
	}
}

// answerAll answers the requests of a connection, which have no bodies, and come one after the other.
func (u *upstream) answerAll(conn net.Conn) {
	defer conn.Close()
	var head []byte
	buffer := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buffer[len(head):])
		if err != nil {
			return
		}
		head = buffer[:len(head)+n]
		if !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
			continue
		}
		if _, err := conn.Write(u.answerTo(head)); err != nil {
			return
		}
		head = nil
	}
}

func (u *upstream) answerTo(head []byte) []byte {
	switch {
	case bytes.HasPrefix(head, []byte("GET /1m")):
		return u.megabyte
	case bytes.HasPrefix(head, []byte("GET /echo")):
		return answerOf(string(head))
	}
	return u.kilobyte
}
