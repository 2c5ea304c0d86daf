package config

import "testing"

func TestFoldHeaderConfusesWhatServersConfuse(t *testing.T) {
	for _, name := range []string{"X-Forwarded-User", "x_forwarded_user", "X.Forwarded-User", "X-FORWARDED_USER", "X!Forwarded~User"} {
		if got := FoldHeader(name); got != "x-forwarded-user" {
			t.Errorf("FoldHeader(%q) = %q", name, got)
		}
	}
}

// No identity header takes the name of one that HTTP, browsers or traces go by.
func TestHeadersOfOthersAreNoIdentityHeaders(t *testing.T) {
	for _, name := range []string{
		"Content-Type", "Proxy-Authorization", "Sec-Fetch-Site", "If-Match", "Accept-Language", "Access-Control-Request-Method",
		"Authorization", "Cookie", "Set-Cookie", "Host",
		"Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
		"Accept", "Expect", "Range", "Origin", "Referer", "User-Agent", "Date", "Via", "Max-Forwards",
		"Cache-Control", "Pragma", "Traceparent", "Tracestate", "Destination", "X-Request-Id", "Proxy",
	} {
		if checkHeaders(&Config{Headers: []string{name + "=sub"}}) == nil {
			t.Errorf("%s is free", name)
		}
	}
}
