package proxy_test

import (
	"strings"
	"testing"

	"doorward/config"
)

// overFastTransport switches FAST_TRANSPORT on for a test that TestOverFastTransport has started.
func overFastTransport(t testing.TB, c *config.Config) {
	c.FastTransport = c.FastTransport || strings.HasPrefix(t.Name(), "TestOverFastTransport/")
}

// TestOverFastTransport runs what upstreams and their failures have a part in over FAST_TRANSPORT, too: nobody is to notice.
func TestOverFastTransport(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"random exchanges":                 TestRandomExchanges,
		"large bodies":                     TestLargeBodies,
		"answers are not buffered":         TestAnswersAreNotBuffered,
		"targets":                          TestTargetsArriveByteForByte,
		"hosts":                            TestHostThatUpstreamsSee,
		"failures":                         TestUpstreamFailures,
		"a client that goes away":          TestClientThatGoesAwayIsNoUpstreamFailure,
		"a truncated answer":               TestTruncatedAnswer,
		"events":                           TestEventsStream,
		"WebSockets":                       TestWebSocketPasses,
		"other upstreams":                  TestOtherUpstreams,
		"odd paths":                        TestPathsThatWouldBeSpelledAnew,
		"large heads of upstreams":         TestHeadsOfUpstreamsAreBounded,
		"informational answers":            TestInformationalAnswers,
		"trailers":                         TestTrailersBringNoCookies,
		"what ends with the session":       TestWhatGoesOnEndsWithTheSession,
		"a cut before the answer":          TestCutBeforeTheAnswer,
		"connections are usable after":     TestConnectionsAreUsableAfterACut,
		"clients that take nothing":        TestClientsThatTakeNothing,
		"streams at a shutdown":            TestStreamsEndAtAShutdown,
		"spoofed headers":                  TestSpoofedHeadersNeverArrive,
		"headers that a client takes away": TestConnectionCannotRemoveOurHeaders,
		"harmless paths":                   TestHarmlessPathsArriveByteForByte,
		"our cookies":                      TestOurCookiesNeverArrive,
	} {
		t.Run(name, test)
	}
}
