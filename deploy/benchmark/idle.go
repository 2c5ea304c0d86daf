//go:build linux

package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// idleClients is how many clients keep their connections and ask nothing.
const idleClients = 1000

// idleConnections tells what memory doorward holds while so many clients that were answered keep their connections.
func (l *lab) idleConnections(contenders []*contender) string {
	at := slices.IndexFunc(contenders, func(c *contender) bool { return c.name == doorwardCookies })
	if at < 0 {
		return ""
	}
	c, err := l.signedIn("doorward, idle", 0)
	if err != nil {
		return fmt.Sprintf("\nIdle connections could not be measured: %v\n", err)
	}
	before := c.process.memory()
	var open []net.Conn
	defer func() {
		for _, conn := range open {
			conn.Close()
		}
	}()
	for range idleClients {
		conn, err := c.askOnce()
		if err != nil {
			return fmt.Sprintf("\nIdle connections could not be measured: %v\n", err)
		}
		open = append(open, conn)
	}
	held, met := c.process.memory(), "met"
	if held > 40 {
		met = "not met"
	}
	return fmt.Sprintf("\nWith %d idle connections doorward holds %.0f MiB (target 40, %s), without any %.0f MiB.\n", idleClients, held, met, before)
}

// askOnce asks on a connection of its own, and keeps it.
func (c *contender) askOnce() (net.Conn, error) {
	addr, _, _ := strings.Cut(strings.TrimPrefix(c.url, "http://"), "/")
	conn, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", addr, strings.Join(c.headers, "\r\n"))
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil && answer.StatusCode != c.status {
		err = fmt.Errorf("the answer is %s", answer.Status)
	}
	if err != nil {
		conn.Close()
	}
	return conn, err
}
