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
	origin, p, err := l.startDoorward("doorward, idle")
	if err != nil {
		return fmt.Sprintf("\nIdle connections could not be measured: %v\n", err)
	}
	before := p.memory()
	var open []net.Conn
	defer func() {
		for _, conn := range open {
			conn.Close()
		}
	}()
	for range idleClients {
		conn, err := askOnce(strings.TrimPrefix(origin, "http://"))
		if err != nil {
			return fmt.Sprintf("\nIdle connections could not be measured: %v\n", err)
		}
		open = append(open, conn)
	}
	met := "met"
	if p.memory() > 40 {
		met = "not met"
	}
	return fmt.Sprintf("\nWith %d idle connections doorward holds %.0f MiB (target 40, %s), without any %.0f MiB.\n", idleClients, p.memory(), met, before)
}

// askOnce asks for something public and keeps the connection.
func askOnce(addr string) (net.Conn, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "GET /status HTTP/1.1\r\nHost: %s\r\n\r\n", addr)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("the answer is %s", answer.Status)
	}
	return conn, err
}
