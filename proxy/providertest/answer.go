package providertest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"strconv"
)

// Answer is an answer about to be sent.
type Answer struct {
	Status int
	Header http.Header
	// Members become the body, as a JSON object, unless Body is not nil.
	Members map[string]any
	Body    []byte
	// Cut closes the connection half-way through the body; Hang never answers. Raw, when not nil, answers by itself.
	Cut, Hang bool
	Raw       func(net.Conn)
}

// newAnswer is a 200 with these members.
func newAnswer(members map[string]any) *Answer {
	header := http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}}
	return &Answer{Status: http.StatusOK, Header: header, Members: members}
}

// oauthError is an error as RFC 6749 5.2 has it.
func oauthError(status int, code, description string) *Answer {
	a := newAnswer(map[string]any{"error": code, "error_description": description})
	a.Status = status
	return a
}

// bytes is the body as it will be sent.
func (a *Answer) bytes() []byte {
	if a.Body != nil {
		return a.Body
	}
	return must(json.Marshal(a.Members))
}

// send writes the answer, as badly as it asks for.
func (p *Provider) send(w http.ResponseWriter, r *http.Request, a *Answer) {
	if a.Hang {
		select {
		case <-r.Context().Done():
		case <-p.done:
		}
		return
	}
	if a.Raw != nil {
		sendRaw(w, a.Raw)
		return
	}
	maps.Copy(w.Header(), a.Header)
	if a.Header.Get("Content-Type") == "" {
		w.Header()["Content-Type"] = nil // or net/http would guess one
	}
	body := a.bytes()
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.Status)
	if a.Cut {
		_, _ = w.Write(body[:len(body)/2])
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(body)
}

// pad makes the answer bigger than any that a provider would send, by an ignorable member.
func pad(_ *Provider, a *Answer) {
	a.Members["padding"] = string(bytes.Repeat([]byte("x"), 8<<20))
}

// bomb does the same with an answer that is small on the wire.
func bomb(p *Provider, a *Answer) {
	pad(p, a)
	var compressed bytes.Buffer
	z := gzip.NewWriter(&compressed)
	_, _ = z.Write(a.bytes())
	_ = z.Close()
	a.Body = compressed.Bytes()
	a.Header.Set("Content-Encoding", "gzip")
}

// hang never answers.
func hang(_ *Provider, a *Answer) { a.Hang = true }

// cut closes the connection half-way.
func cut(_ *Provider, a *Answer) { a.Cut = true }

// duplicate sends a member twice, the second time with another value. Decoders differ in which of them counts.
func duplicate(name string, value any) func(*Provider, *Answer) {
	return func(_ *Provider, a *Answer) { a.Body = withMember(a.bytes(), name, value) }
}

// withMember appends a member to a JSON object without looking at those that are there.
func withMember(object []byte, name string, value any) []byte {
	tail := append([]byte(","), must(json.Marshal(name))...)
	tail = append(append(tail, ':'), must(json.Marshal(value))...)
	return append(append(bytes.TrimSuffix(object, []byte("}")), tail...), '}')
}
