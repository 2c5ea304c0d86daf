//go:build unix

package fasttransport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The worst upstream that there could be, to try whether it makes two clients' answers meet: each connection does something else that is wrong, at
// a moment of its own choice, but whatever it writes bears the number of the request that it has read last. So no client may ever find
// another's number, nor one of its own from before, in what it is handed as its answer. One thing it does not do: write a whole answer that
// nobody asked for at the very moment when the next request is under way. That is an answer to it, as far as HTTP/1.1 can tell.

// TestAnswersNeverMeet takes seconds. FAST_TRANSPORT_FUZZ=1h makes it an hour.
func TestAnswersNeverMeet(t *testing.T) {
	lasts := 2 * time.Second
	if text := os.Getenv("FAST_TRANSPORT_FUZZ"); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	u := newUpstream(t, func(conn net.Conn, in *bufio.Reader, n int) { newVillain(conn, in, uint64(n)).serve() })
	tr := u.transport(t)
	tr.HeaderTimeout, tr.MaxIdle = 50*time.Millisecond, 16
	var asked, whole, broken atomic.Int64
	var clients sync.WaitGroup
	for client := range 32 {
		clients.Go(func() {
			r := rand.New(rand.NewPCG(uint64(client), uint64(time.Now().UnixNano())))
			for i := 0; ctx.Err() == nil; i++ {
				asked.Add(1)
				if meets(t, tr, r, fmt.Sprintf("%d-%d", client, i)) {
					whole.Add(1)
				} else {
					broken.Add(1)
				}
			}
		})
	}
	clients.Wait()
	t.Logf("%d requests: %d whole answers, %d that broke off or failed, over %d connections", asked.Load(), whole.Load(), broken.Load(), u.opened.Load())
	if whole.Load() == 0 || broken.Load() == 0 {
		t.Error("it was no trial")
	}
}

// meets asks once, and looks at every byte of the answer. It tells whether that was whole.
func meets(t *testing.T, tr *Transport, r *rand.Rand, number string) (whole bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	method := "GET"
	if r.IntN(8) == 0 {
		method = "HEAD"
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://app.example.com/"+number, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.IntN(10) == 0 { // somebody who goes away
		late := time.AfterFunc(time.Duration(r.IntN(2000))*time.Microsecond, cancel)
		defer late.Stop()
	}
	answer, err := tr.RoundTrip(request)
	if errors.Is(err, errLeft) {
		t.Fatalf("%s was left to another transport", number)
	}
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	if given := answer.Header.Get("X-Number"); given != "" && given != number {
		t.Errorf("%s got the head of %s", number, given)
	}
	if r.IntN(10) == 0 { // somebody who reads a little
		return false
	}
	body, err := io.ReadAll(answer.Body)
	for word := range strings.FieldsSeq(string(body)) {
		if !strings.HasPrefix("<"+number+">", word) && word != "<"+number+">" {
			t.Errorf("%s got the body %.200q, %v", number, body, err)
			break
		}
	}
	return err == nil
}

// villain is one connection of the upstream.
type villain struct {
	conn   net.Conn
	in     *bufio.Reader
	r      *rand.Rand
	number string // of the request that was read last
	method string
}

func newVillain(conn net.Conn, in *bufio.Reader, seed uint64) *villain {
	return &villain{conn: conn, in: in, r: rand.New(rand.NewPCG(seed, 1))}
}

func (v *villain) serve() {
	for {
		head := request(v.in)
		if head == "" {
			return
		}
		v.method, _, _ = strings.Cut(head, " ")
		_, rest, _ := strings.Cut(head, " /")
		v.number, _, _ = strings.Cut(rest, " ")
		if !v.answer() {
			return
		}
	}
}

// answer answers in one of many ways, most of them wrong, and says whether to go on.
func (v *villain) answer() bool {
	words := v.words(v.r.IntN(6))
	length := strconv.Itoa(len(words))
	body := words
	if v.method == "HEAD" {
		body = ""
	}
	switch v.r.IntN(24) {
	case 0: // more than was said
		return v.write(v.head("Content-Length: "+length), body, v.words(1))
	case 1: // a whole answer more
		return v.write(v.head("Content-Length: "+length), body, v.head("Content-Length: "+length), words)
	case 2: // a body that comes late, and something with its end
		return v.write(v.head("Content-Length: "+strconv.Itoa(len(words)+8))) && v.pause() && v.write(padded(body, v.method), v.words(1))
	case 3: // less than was said
		v.write(v.head("Content-Length: "+strconv.Itoa(len(words)+5)), body)
		return false
	case 4: // less, and then nothing
		return v.write(v.head("Content-Length: "+strconv.Itoa(len(words)+5)), body)
	case 5: // two lengths
		return v.write(v.head("Content-Length: "+length, "Transfer-Encoding: chunked"), chunked(body))
	case 6:
		return v.write(v.head("Content-Length: "+length, "Content-Length: "+strconv.Itoa(len(words)+7)), body, v.words(1))
	case 7: // no length
		v.write(v.head(), body)
		return false
	case 8:
		return v.write(v.head("Transfer-Encoding: chunked"), chunkedOrNone(v.method, words))
	case 9: // chunks with something behind them
		return v.write(v.head("Transfer-Encoding: chunked"), chunkedOrNone(v.method, words), v.words(1))
	case 10: // chunks that break off
		v.write(v.head("Transfer-Encoding: chunked"), "5\r\n<")
		return v.r.IntN(2) == 0
	case 11:
		return v.write("HTTP/1.1 103 Early Hints\r\nX-Number: "+v.number+"\r\n\r\n", v.head("Content-Length: "+length), body)
	case 12: // an informational answer behind the final one
		return v.write(v.head("Content-Length: "+length), body, "HTTP/1.1 100 Continue\r\n\r\n")
	case 13: // a body where none may be
		return v.write("HTTP/1.1 204 No Content\r\nX-Number: "+v.number+"\r\n\r\n", words)
	case 14:
		return v.write("HTTP/1.1 304 Not Modified\r\nX-Number: "+v.number+"\r\nContent-Length: "+length+"\r\n\r\n", v.words(1))
	case 15: // an end that is announced, and does not come
		return v.write(v.head("Connection: close", "Content-Length: "+length), body)
	case 16: // a reset, somewhere
		v.write(v.head("Content-Length: "+length), body[:v.r.IntN(len(body)+1)])
		_ = v.conn.(*net.TCPConn).SetLinger(0)
		return false
	case 17: // half an end
		v.write(v.head("Content-Length: "+length), body)
		_ = v.conn.(*net.TCPConn).CloseWrite()
		return true
	case 18: // lines that end in another way
		return v.write(strings.ReplaceAll(v.head("Content-Length: "+length), "\r\n", "\n"), body)
	case 19: // a head in pieces
		head := v.head("Content-Length: " + length)
		at := v.r.IntN(len(head))
		return v.write(head[:at]) && v.pause() && v.write(head[at:], body)
	case 20: // an answer that stays away
		return v.pause() && v.pause() && v.pause()
	}
	return v.write(v.head("Content-Length: "+length), body)
}

// words are the number, so many times.
func (v *villain) words(n int) string { return strings.Repeat("<"+v.number+"> ", n) }

func (v *villain) head(lines ...string) string {
	return "HTTP/1.1 200 OK\r\nX-Number: " + v.number + "\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

func (v *villain) write(parts ...string) bool {
	_, err := io.WriteString(v.conn, strings.Join(parts, ""))
	return err == nil
}

func (v *villain) pause() bool {
	time.Sleep(time.Duration(v.r.IntN(30_000)) * time.Microsecond) // what is late is what is tried
	return true
}

func chunked(text string) string {
	if text == "" {
		return "0\r\n\r\n"
	}
	return strconv.FormatInt(int64(len(text)), 16) + "\r\n" + text + "\r\n0\r\n\r\n"
}

// padded is a body of 8 bytes more.
func padded(body, method string) string {
	if method == "HEAD" {
		return ""
	}
	return body + strings.Repeat(" ", 8)
}

func chunkedOrNone(method, text string) string {
	if method == "HEAD" {
		return ""
	}
	return chunked(text)
}
