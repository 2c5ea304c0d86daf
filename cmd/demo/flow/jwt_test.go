package flow

import "testing"

func TestDecodeOfWhatIsNoToken(t *testing.T) {
	for _, token := range []string{"", "a.b", "a.b.c", "e30.W10.c", "....", "e30.!.c"} {
		if got := decode(token); len(got.payload) != 0 {
			t.Errorf("%q has the payload %v", token, got.payload)
		}
	}
}

// The values are those of RFC 7636, appendix B.
func TestChallenge(t *testing.T) {
	if got := challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("the challenge is %s", got)
	}
}

// The values are those of OIDC Core, appendix A.3.
func TestTokenHash(t *testing.T) {
	if got := tokenHash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"); got != "77QmUPtjPfzWtF2AnpK9RQ" {
		t.Errorf("the hash is %s", got)
	}
}
