package providertest

import (
	"net/http"
	"strings"
)

// pushFaults bend pushed authorization requests (RFC 9126 2.2, 2.3). No browser may be sent to the provider then, neither with a
// reference nor with the parameters themselves.
func pushFaults() []Mutation {
	faults := []Mutation{
		{Name: "par-200", Does: "takes the request with status 200", PushReply: status(http.StatusOK)},
		{Name: "par-202", Does: "takes the request with status 202", PushReply: status(http.StatusAccepted)},
		{Name: "par-204", Does: "takes the request and says nothing", PushReply: body(http.StatusNoContent, "application/json", "")},
		{Name: "par-redirect-307", Does: "redirects request and secret to another origin", PushReply: redirect(http.StatusTemporaryRedirect)},
		{Name: "par-redirect-303", Does: "redirects the client as if it were a browser", PushReply: redirect(http.StatusSeeOther)},
		{Name: "par-invalid-request", Does: "refuses the request", PushReply: body(http.StatusBadRequest, "application/json", `{"error":"invalid_request","error_description":"no such scope"}`)},
		{Name: "par-invalid-client", Does: "refuses the client", PushReply: body(http.StatusUnauthorized, "application/json", `{"error":"invalid_client"}`)},
		{Name: "par-too-many", Does: "takes no more requests for now", PushReply: body(http.StatusTooManyRequests, "application/json", `{}`)},
		{Name: "par-500", Does: "answers with an error page", PushReply: body(http.StatusInternalServerError, "text/html", "<h1>out of order</h1>")},
		{Name: "par-error-with-201", Does: "sends an error with status 201", PushReply: member("error", "invalid_request")},
		{Name: "par-html", Does: "answers with a page and status 201", PushReply: body(http.StatusCreated, "text/html", "<h1>Welcome</h1>")},
		{Name: "par-text-plain", Does: "sends the reference as plain text", PushReply: contentType("text/plain")},
		{Name: "par-type-of-content-missing", Does: "does not say of which media type its answer is", PushReply: contentType("")},
		{Name: "par-empty", Does: "answers with nothing", PushReply: body(http.StatusCreated, "application/json", "")},
		{Name: "par-array", Does: "answers with a JSON array", PushReply: func(_ *Provider, a *Answer) { a.Body = []byte("[" + string(a.bytes()) + "]") }},
		{Name: "par-trailing", Does: "sends a second object after the first", PushReply: func(_ *Provider, a *Answer) {
			a.Body = append(a.bytes(), `{"request_uri":"urn:other"}`...)
		}},
		{Name: "par-huge", Does: "answers with 8 MiB", PushReply: pad},
		{Name: "par-bomb", Does: "answers with a few bytes that unpack to 8 MiB", PushReply: bomb},
		{Name: "par-cut", Does: "breaks off in the middle of its answer", PushReply: cut},
		{Name: "par-hang", Does: "never answers", PushReply: hang},
	}
	return required(append(append(faults, requestURIFaults()...), pushLifetimeFaults()...), AtPush)
}

func requestURIFaults() []Mutation {
	return []Mutation{
		{Name: "par-request-uri-missing", Does: "sends no reference", PushReply: without("request_uri")},
		{Name: "par-request-uri-empty", Does: "sends an empty reference", PushReply: member("request_uri", "")},
		{Name: "par-request-uri-number", Does: "sends a number for a reference", PushReply: member("request_uri", 7)},
		{Name: "par-request-uri-null", Does: "sends null for a reference", PushReply: member("request_uri", nil)},
		{Name: "par-request-uri-twice", Does: "sends two references", PushReply: duplicate("request_uri", "urn:ietf:params:oauth:request_uri:other")},
		{Name: "par-request-uri-upper-case", Does: "sends a second reference in upper case", PushReply: member("REQUEST_URI", "urn:ietf:params:oauth:request_uri:other")},
		{Name: "par-request-uri-huge", Does: "sends a reference that fits into no address", PushReply: member("request_uri", "urn:"+strings.Repeat("x", 100_000))},
		{Name: "par-request-uri-control", Does: "sends a reference with a line break", PushReply: member("request_uri", "urn:x\r\nSet-Cookie: x=1")},
		{Name: "par-request-uri-relative", Does: "sends a reference that is no URI", PushReply: member("request_uri", "/request/1")},
	}
}

func pushLifetimeFaults() []Mutation {
	return []Mutation{
		{Name: "par-expires-in-missing", Does: "does not say for how long the reference is good", PushReply: without("expires_in")},
		{Name: "par-expires-in-negative", Does: "sends a reference that is over already", PushReply: member("expires_in", -5)},
		{Name: "par-expires-in-zero", Does: "sends a reference that is good for no time", PushReply: member("expires_in", 0)},
		{Name: "par-expires-in-text", Does: "writes a number as text", PushReply: member("expires_in", "60")},
		{Name: "par-expires-in-null", Does: "sends null for a number", PushReply: member("expires_in", nil)},
		{Name: "par-expires-in-twice", Does: "sends two lifetimes", PushReply: duplicate("expires_in", 3600)},
	}
}

// pushMetadataFaults bend what the provider announces of pushed requests (RFC 9126 5).
func pushMetadataFaults() []Mutation {
	return required([]Mutation{
		{Name: "metadata-par-endpoint-missing", Does: "demands pushed requests and takes none", Metadata: withoutMetadata("pushed_authorization_request_endpoint")},
		{Name: "metadata-par-endpoint-plain-http", Does: "takes pushed requests and secrets in clear, off loopback",
			Metadata: metadata("pushed_authorization_request_endpoint", "http://192.0.2.1/par")},
		{Name: "metadata-par-endpoint-number", Does: "gives a number for the endpoint of pushed requests",
			Metadata: metadata("pushed_authorization_request_endpoint", 7)},
		{Name: "metadata-par-required-text", Does: "writes a boolean as text", Metadata: metadata("require_pushed_authorization_requests", "true")},
		{Name: "metadata-par-required-twice", Does: "demands pushed requests and does not", MetadataReply: duplicate("require_pushed_authorization_requests", false)},
		{Name: "metadata-par-required-upper-case", Does: "misspells what it demands in upper case",
			Metadata: func(_ *Provider, m map[string]any) {
				m["REQUIRE_PUSHED_AUTHORIZATION_REQUESTS"] = true
				delete(m, "require_pushed_authorization_requests")
			}},
	}, AtDiscovery)
}

// pushOddities are answers that are odd and right.
func pushOddities() []Mutation {
	return required([]Mutation{
		{Name: "par-required", Does: "demands pushed requests"},
		{Name: "par-charset", Does: "names a charset with its media type", PushReply: contentType("application/json;charset=UTF-8")},
		{Name: "par-more-members", Does: "says more than was asked", PushReply: member("x-corp", map[string]any{"request_uri": "urn:other"})},
		{Name: "par-short-lifetime", Does: "gives a reference for a second", PushReply: member("expires_in", 1)},
	}, Nowhere)
}

// required makes each of some mutations demand pushed requests and stop a login at a stage.
func required(some []Mutation, stops Stage) []Mutation {
	for i := range some {
		some[i].PAR, some[i].Stops = "required", stops
	}
	return some
}

// status is a hook that changes the status alone.
func status(code int) func(*Provider, *Answer) {
	return func(_ *Provider, a *Answer) { a.Status = code }
}
