package deploytest

import (
	"encoding/json"
	"net/http"
)

// AwaitNewTokens asks the demo's application who is asking until it has been given another access token, that many times.
func (v *Visitor) AwaitNewTokens(origin string, times int) {
	v.t.Helper()
	last := v.tokenID(origin)
	for range times {
		var now string
		Await(v.t, "a new access token", func() bool {
			now = v.tokenID(origin)
			return now != last
		})
		last = now
	}
}

// tokenID is the identifier of the access token that reaches the application (jti, RFC 7519 4.1.7).
func (v *Visitor) tokenID(origin string) string {
	v.t.Helper()
	sheet := v.Open(origin + "/api/me")
	sheet.Want(v.t, origin+"/api/me", http.StatusOK)
	var me struct {
		Claims struct {
			ID string `json:"jti"`
		}
	}
	if err := json.Unmarshal([]byte(sheet.Body), &me); err != nil {
		v.t.Fatal(err)
	}
	return me.Claims.ID
}
