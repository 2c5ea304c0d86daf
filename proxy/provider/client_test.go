package provider

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// certificate is a test server's own, in PEM.
func certificate(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func TestRequestsAreReported(t *testing.T) {
	o := newOP(t, "ES256")
	var mu sync.Mutex
	var reported []string
	p := o.client(t, func(o *Options) {
		o.OnRequest = func(_ context.Context, asked Asked) {
			mu.Lock()
			defer mu.Unlock()
			reported = append(reported, asked.Endpoint+" "+asked.Code)
			if asked.Took <= 0 {
				t.Error("it took no time")
			}
		}
	})
	if _, err := o.login(t, p); err != nil {
		t.Fatal(err)
	}
	o.instead = handlers("/token", says(500, "", ""))
	o.login(t, p)
	o.server.Close()
	o.login(t, p)
	want := []string{"discovery 200", "token 200", "jwks 200", "userinfo 200", "token 500", "token error"}
	if !slices.Equal(reported, want) {
		t.Errorf("got %v", reported)
	}
}

// stall lets some paths hang and hands all others on.
type stall struct {
	paths string
	next  http.RoundTripper
}

func (s stall) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(s.paths, r.URL.Path) {
		return hangs{}.RoundTrip(r)
	}
	return s.next.RoundTrip(r)
}

func TestEndpointsThatHang(t *testing.T) {
	tests := []struct {
		path string
		kind Kind
		wait time.Duration
	}{
		{"/.well-known/openid-configuration", KindUnavailable, fetchTimeout},
		{"/jwks", KindUnavailable, fetchTimeout},
		{"/token", KindTokenRequestFailed, askTimeout},
		{"/userinfo", KindInvalidUserinfo, askTimeout},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			o := newLocalOP()
			p := o.client(t, nil)
			p.client.transport = stall{test.path, inProcess{o}}
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, err := o.login(t, p)
				o.wantKind(t, err, test.kind)
				if !strings.Contains(err.Error(), "did not answer in time") {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); took != test.wait {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

func TestFailureIsRememberedForAPause(t *testing.T) {
	o := newLocalOP()
	p := o.client(t, nil)
	const discovery = "GET /.well-known/openid-configuration"
	synctest.Test(t, func(t *testing.T) {
		o.instead = handlers("/.well-known/openid-configuration", http.NotFound)
		for range 10 {
			_, err := p.AuthorizationURL(t.Context(), NewRequest(callback))
			o.wantKind(t, err, KindUnavailable)
		}
		if n := o.count(discovery); n != 1 {
			t.Errorf("asked %d times within the pause", n)
		}
		o.instead = nil
		time.Sleep(5 * time.Second)
		if _, err := p.AuthorizationURL(t.Context(), NewRequest(callback)); err != nil {
			t.Errorf("after the pause: %v", err)
		}
	})
}

// fetcher is a fetch that a test controls.
type fetcher struct {
	began  int
	answer chan error
}

func (f *fetcher) fetch(context.Context) (int, time.Duration, error) {
	f.began++
	began, err := f.began, <-f.answer
	return began, time.Hour, err
}

func newFetcher() (*fetcher, *cached[int]) {
	f := &fetcher{answer: make(chan error)}
	return f, &cached[int]{fetch: f.fetch, pause: time.Second}
}

func TestOneFetchServesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, c := newFetcher()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if value, err := c.get(t.Context()); value != 1 || err != nil {
					t.Errorf("got %d, %v", value, err)
				}
			})
		}
		synctest.Wait()
		f.answer <- nil
		wg.Wait()
		if f.began != 1 {
			t.Errorf("%d fetches", f.began)
		}
	})
}

// A panic amid a fetch is a failure like any other.
func TestPanicIsAFetchThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		c := &cached[int]{pause: time.Second, fetch: func(context.Context) (int, time.Duration, error) {
			if broken {
				panic("a fault of ours")
			}
			return 1, time.Hour, nil
		}}
		if _, err := c.get(t.Context()); err == nil {
			t.Error("there is a value")
		}
		broken = false
		time.Sleep(time.Second)
		if value, err := c.get(t.Context()); value != 1 || err != nil {
			t.Errorf("after the pause: %d, %v", value, err)
		}
	})
}

func TestAskerWhoLeavesDoesNotEndTheFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, c := newFetcher()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		f.answer <- nil
		synctest.Wait()
		if value, err := c.get(t.Context()); value != 1 || err != nil || f.began != 1 {
			t.Errorf("got %d, %v after %d fetches", value, err, f.began)
		}
	})
}

// A fetch that failed long ago says nothing of now: who comes after a long silence waits for what the provider says today.
func TestOldFailuresDoNotKeepOldValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, c := newFetcher()
		f.answer = make(chan error, 3)
		for _, err := range []error{nil, errors.New("down"), nil} {
			f.answer <- err
		}
		for i, want := range []int{1, 1, 3} {
			if value, err := c.get(t.Context()); value != want || err != nil {
				t.Errorf("the %d. time it gives %d, %v", i+1, value, err)
			}
			synctest.Wait()
			time.Sleep(time.Hour + time.Duration(i)*72*time.Hour + time.Minute)
		}
	})
}

func TestOldValueIsGivenWhileItIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, c := newFetcher()
		go func() { f.answer <- nil }()
		c.get(t.Context())
		time.Sleep(2 * time.Hour)
		for range 3 { // the fetch hangs, and nobody waits for it
			if value, err := c.get(t.Context()); value != 1 || err != nil {
				t.Errorf("got %d, %v", value, err)
			}
		}
		f.answer <- nil
		synctest.Wait()
		if value, _ := c.get(t.Context()); value != 2 {
			t.Errorf("got %d", value)
		}
	})
}

// After a long silence the first asker gets what is true now, or what there is when that cannot be had.
func TestStaleValueIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, c := newFetcher()
		go func() {
			f.answer <- nil
			f.answer <- nil
			f.answer <- errors.New("down")
		}()
		c.get(t.Context())
		for want := range 2 { // the third fetch fails
			time.Sleep(time.Hour + maxStale + time.Second)
			if value, err := c.get(t.Context()); value != 2 || err != nil {
				t.Errorf("%d: got %d, %v", want, value, err)
			}
		}
		time.Sleep(time.Minute)
		began := time.Now()
		if value, err := c.get(t.Context()); value != 2 || err != nil || time.Since(began) != 0 {
			t.Errorf("while the provider is down: %d, %v after %s", value, err, time.Since(began))
		}
		f.answer <- nil // the last fetch, for which nobody waited
		synctest.Wait()
	})
}

// What goes wrong is told once, and its end is told.
func TestFailuresAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, c := newFetcher()
		var told []string
		c.told = func(err error) { told = append(told, fmt.Sprint(err)) }
		down, worse := errors.New("down"), errors.New("worse")
		for _, answer := range []error{nil, nil, down, down, worse, nil, nil} {
			go func() { f.answer <- answer }()
			c.get(t.Context())
			synctest.Wait()
			time.Sleep(time.Hour + time.Second)
		}
		if want := []string{"down", "worse", "<nil>"}; !slices.Equal(told, want) {
			t.Errorf("told %v", told)
		}
	})
}

func TestHowLongAnAnswerIsFresh(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": time.Hour, "public": time.Hour, "max-age=600": 10 * time.Minute, "public, Max-Age=\"600\", must-revalidate": 10 * time.Minute,
		"max-age=86400": time.Hour, "max-age=5": time.Minute, "max-age=0": time.Minute, "no-store": time.Minute, "no-cache, max-age=600": time.Minute,
		"max-age=-1": time.Hour, "max-age=soon": time.Hour, "max-age": time.Hour, "max-age=99999999999999999999": time.Hour, ",,=": time.Hour,
		"x-max-age=5": time.Hour, "s-maxage=600": time.Hour,
	} {
		r := &reply{header: http.Header{"Cache-Control": {header}}}
		if got := r.freshFor(time.Minute, time.Hour); got != want {
			t.Errorf("%s: %s", header, got)
		}
	}
}

func TestOldValueSurvivesFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, c := newFetcher()
		go func() {
			f.answer <- nil
			for range 3 {
				f.answer <- errors.New("down")
			}
		}()
		c.get(t.Context())
		for range 3 {
			time.Sleep(2 * time.Hour)
			if value, err := c.get(t.Context()); value != 1 || err != nil {
				t.Errorf("got %d, %v", value, err)
			}
			synctest.Wait()
		}
		if _, err := c.state(); err == nil {
			t.Error("the failure does not show")
		}
	})
}

func TestRenewalsKeepTheirInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, c := newFetcher()
		close(f.answer) // every fetch succeeds at once
		c.get(t.Context())
		for _, want := range []int{2, 2, 2} { // at once after the ordinary fetch, then not again
			if value, err := c.renew(t.Context(), "a test", time.Minute); value != want || err != nil {
				t.Errorf("got %d, %v", value, err)
			}
		}
		time.Sleep(time.Minute)
		if value, _ := c.renew(t.Context(), "a test", time.Minute); value != 3 {
			t.Errorf("after the interval: %d", value)
		}
	})
}

// Each reason has its own interval, and all together have a bound.
func TestRenewalsForDifferentReasons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, c := newFetcher()
		close(f.answer)
		c.get(t.Context())
		for i, want := range []int{2, 3, 4, 4, 4} {
			if value, _ := c.renew(t.Context(), "reason "+strconv.Itoa(i), time.Minute); value != want {
				t.Errorf("after reason %d: %d fetches, want %d", i, value, want)
			}
		}
	})
}
