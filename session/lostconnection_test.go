//go:build unix

package session

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"doorward/deploy/redistest"
)

// A question that is asked again since its connection was lost may still be on its way to that one: nobody else may write over it. The race
// detector tells.
func TestQuestionsOfALostConnection(t *testing.T) {
	server := redistest.New(t)
	m := beside(t, server, inRedis)
	var asking sync.WaitGroup
	var answered atomic.Int64
	end := time.Now().Add(time.Second)
	for i := range 16 {
		asking.Go(func() {
			for n := 0; time.Now().Before(end); n++ {
				if _, err := m.shared.read(t.Context(), m.shared.key(strconv.Itoa(i)+"-"+strconv.Itoa(n))); err == ErrNone {
					answered.Add(1)
				}
			}
		})
	}
	lost := 0
	for time.Now().Before(end) {
		lost += loseConnections(t, server)
	}
	asking.Wait()
	if lost == 0 || answered.Load() == 0 {
		t.Errorf("%d connections were lost, %d questions answered: this test tests nothing", lost, answered.Load())
	}
}

// loseConnections ends the connections on which sessions are asked for, and spares the one that waits for revocations.
func loseConnections(t *testing.T, server *redistest.Redis) (lost int) {
	clients, err := server.Do("CLIENT", "LIST").ToString()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(clients) {
		id, rest, _ := strings.Cut(strings.TrimPrefix(line, "id="), " ")
		if strings.Contains(rest, "name=doorward") && (strings.Contains(rest, "cmd=exec") || strings.Contains(rest, "cmd=getrange")) {
			if n, err := server.Do("CLIENT", "KILL", "ID", id).AsInt64(); err == nil {
				lost += int(n)
			}
		}
	}
	return lost
}
