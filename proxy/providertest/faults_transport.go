package providertest

import (
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// transportFaults bend how an answer travels, at each endpoint that a client itself asks.
func transportFaults() []Mutation {
	var faults []Mutation
	for _, endpoint := range []Endpoint{Discovery, Keys, Token, Userinfo} {
		for _, way := range []struct {
			name, does string
			send       func(net.Conn)
		}{
			{"drip", "sends its %s byte by byte, without end", drips("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", " ")},
			{"head-drip", "sends the head of its %s byte by byte, without end", drips("HTTP/1.1 200 OK\r\n", "X-Y: z\r\n")},
			{"head-endless", "sends a head of its %s that does not end", floods("HTTP/1.1 200 OK\r\n", "X-Padding: "+strings.Repeat("x", 1000)+"\r\n")},
			{"hints-endless", "sends early hints, and never its %s", floods("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")},
			{"other-protocol", "answers with another protocol instead of its %s", drips("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", "")},
		} {
			m := Mutation{Name: prefixOf(endpoint) + "-" + way.name, Does: strings.Replace(way.does, "%s", prefixOf(endpoint), 1)}
			faults = append(faults, m.at(endpoint, func(_ *Provider, a *Answer) { a.Raw = way.send }))
		}
	}
	return faults
}

// prefixOf begins the names of mutations of an endpoint.
func prefixOf(e Endpoint) string {
	switch e {
	case Discovery:
		return "metadata"
	case Keys:
		return "jwks"
	}
	return string(e)
}

// at bends the answer of one endpoint.
func (m Mutation) at(e Endpoint, bend func(*Provider, *Answer)) Mutation {
	switch e {
	case Discovery:
		m.MetadataReply, m.Stops = bend, AtDiscovery
	case Keys:
		m.KeySetReply, m.Stops = bend, AtTokens
	case Token:
		m.TokenReply, m.Stops = bend, AtTokens
	case Userinfo:
		m.Userinfo, m.Stops = bend, AtUserinfo
		m.IDToken, m.AccessToken = idWithout("groups"), idWithout("groups")
	}
	return m
}

// drips writes a beginning at once, and then a text byte by byte until the client has gone.
func drips(begin, text string) func(net.Conn) {
	return func(conn net.Conn) {
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_, _ = io.Copy(io.Discard, conn)
		}()
		_, _ = io.WriteString(conn, begin)
		next := time.NewTicker(100 * time.Millisecond)
		defer next.Stop()
		for i := 0; ; i++ {
			select {
			case <-gone:
				return
			case <-next.C:
			}
			if text != "" {
				_, _ = conn.Write([]byte{text[i%len(text)]})
			}
		}
	}
}

// floods writes a beginning, and then a text again and again until the client has gone.
func floods(begin, text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, err := io.WriteString(conn, begin)
		for err == nil {
			_, err = io.WriteString(conn, text)
		}
	}
}

// sendRaw hands the connection over.
func sendRaw(w http.ResponseWriter, send func(net.Conn)) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic("providertest: " + err.Error())
	}
	defer conn.Close()
	send(conn)
}
