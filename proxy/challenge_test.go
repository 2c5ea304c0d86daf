package proxy

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"doorward/proxy/access"
)

// Every form in which a challenge may be written (RFC 9110 11.6.1), and those in which it may not.
func TestChallengesAreParsed(t *testing.T) {
	for header, want := range map[string]string{
		"":                          "",
		" , ,\t,":                   "",
		"Basic":                     "Basic",
		"Negotiate, NTLM":           "Negotiate; NTLM",
		"Negotiate YII=":            "Negotiate -",
		"Negotiate YII==,":          "Negotiate -",
		"Bearer abc":                "Bearer -",
		"Bearer a-b._~+/c=":         "Bearer -",
		`Basic realm="x"`:           "Basic realm=x",
		"Basic realm=x":             "Basic realm=x",
		"Basic realm = x":           "Basic realm=x",
		"Basic \t REALM\t=\t\"x\" ": "Basic realm=x",
		`Bearer realm=""`:           "Bearer realm=",
		`Bearer a="x, y=z" , b=c`:   "Bearer a=x, y=z b=c",
		`Bearer a="x \"y\" \\ \z"`:  `Bearer a=x "y" \ z`,
		"Bearer a=\"\u00e9\tx\"":    "Bearer a=\u00e9\tx",
		`Newauth realm="apps", type=1, title="Login to \"apps\"", Basic realm="simple"`: `Newauth realm=apps title=Login to "apps" type=1; Basic realm=simple`,
		"Basic, Bearer a=b":                "Basic; Bearer a=b",
		"Negotiate abc==, Bearer a=b, c=d": "Negotiate -; Bearer a=b c=d",
		"Bearer a=b,,c=d":                  "Bearer a=b c=d",
		"Bearer , a=b":                     "Bearer a=b",
		"!#$%&'*+-.^_`|~1 a=b":             "!#$%&'*+-.^_`|~1 a=b",

		"a=b":                                "malformed",
		", a=b":                              "malformed",
		"Bearer a=b c=d":                     "malformed",
		`Bearer a="b" c`:                     "malformed",
		"Bearer abc def":                     "malformed",
		"Bearer abc, d=e":                    "malformed", // a parameter beside a token68
		"Bearer a=b, A=c":                    "malformed",
		"Bearer a=":                          "Bearer -",
		"Bearer a=, b=c":                     "malformed",
		"Bearer a=b=c":                       "malformed",
		`Bearer a="b`:                        "malformed",
		`Bearer a="b\`:                       "malformed",
		`Bearer a="b\"`:                      "malformed",
		`Bearer a=b"c"`:                      "malformed",
		`Bearer a="b"c`:                      "malformed",
		`Bearer "a"=b`:                       "malformed",
		`"Bearer" a=b`:                       "malformed",
		"Bearer a=\"b\x00\"":                 "malformed",
		"Bearer a=\"b\\\x01\"":               "malformed",
		"Bearer a=\"b\x7f\"":                 "malformed",
		"Bear\u00e9r a=b":                    "malformed",
		"Bearer; a=b":                        "malformed",
		"Bearer/a=b":                         "malformed",
		"=":                                  "malformed",
		"Bearer =":                           "malformed",
		"Bearer ==":                          "malformed",
		"Bearer a=(b)":                       "malformed",
		"Bearer/abc":                         "malformed",
		strings.Repeat("x", maxChallenges+1): "malformed",
	} {
		if got := parsed([]string{header}); got != want {
			t.Errorf("%.80q is read as %q, not %q", header, got, want)
		}
	}
	if got := parsed([]string{"Basic a=b", "Bearer c=d"}); got != "Basic a=b; Bearer c=d" {
		t.Errorf("two lines are read as %q", got)
	}
	if got := parsed([]string{"Bearer a=b", "c=d"}); got != "malformed" {
		t.Errorf("a parameter on a line of its own is read as %q", got)
	}
	if got := parsed([]string{strings.Repeat("x", maxChallenges), "x"}); got != "malformed" {
		t.Error("several lines are longer than one may be")
	}
}

// parsed writes challenges down: scheme, parameters by name or - for a token68, and a semicolon.
func parsed(lines []string) string {
	all, ok := parseChallenges(lines)
	if !ok {
		return "malformed"
	}
	var texts []string
	for _, c := range all {
		text := c.scheme
		if c.params == nil {
			text += " -"
		}
		for _, name := range slices.Sorted(maps.Keys(c.params)) {
			text += " " + name + "=" + c.params.Get(name)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}

// What an upstream asks for is read in full, or not at all.
func TestWhatAnUpstreamAsksFor(t *testing.T) {
	const e = `Bearer error="insufficient_user_authentication"`
	for header, want := range map[string]string{
		e + `, acr_values="gold"`:                                       "gold/",
		e + `, acr_values=gold`:                                         "gold/",
		e + `, acr_values="urn:a b http://c/d#e"`:                       "urn:a b http://c/d#e/",
		e + `, max_age=5`:                                               "/5",
		e + `, max_age="0"`:                                             "/0",
		e + `, max_age="0005"`:                                          "/5",
		e + `, max_age="2147483647"`:                                    "/2147483647",
		e + `, scope="x y", realm="z", max_age="5", acr_values="a"`:     "a/5",
		`BEARER ERROR=insufficient_user_authentication, Max_Age=5`:      "/5",
		`Basic realm="x", ` + e + `, max_age=5, Digest nonce="y"`:       "/5",
		`Bearer error="invalid_token", max_age=1, ` + e + `, max_age=5`: "/5",
		e + `, acr_values="` + strings.Repeat("x", 399) + `"`:           strings.Repeat("x", 399) + "/",

		e:                             "nothing",
		"":                            "nothing",
		e + `, acr_values=""`:         "nothing",
		e + `, acr_values=" "`:        "nothing",
		e + `, acr_values="a  b"`:     "nothing",
		e + `, acr_values=" a"`:       "nothing",
		e + `, acr_values="a\"b"`:     "nothing",
		e + `, acr_values="a\\b"`:     "nothing",
		e + ", acr_values=\"a\tb\"":   "nothing",
		e + ", acr_values=\"\u00e4\"": "nothing",
		e + `, acr_values="` + strings.Repeat("x", 400) + `"`:          "nothing",
		e + `, acr_values="gold", max_age=""`:                          "nothing",
		e + `, acr_values="gold", max_age="-1"`:                        "nothing",
		e + `, acr_values="gold", max_age="+1"`:                        "nothing",
		e + `, acr_values="gold", max_age="1.5"`:                       "nothing",
		e + `, acr_values="gold", max_age="1 "`:                        "nothing",
		e + `, acr_values="gold", max_age="0x5"`:                       "nothing",
		e + `, acr_values="gold", max_age="1_0"`:                       "nothing",
		e + `, max_age="2147483648"`:                                   "nothing",
		e + `, max_age=5, max_age=5`:                                   "nothing",
		e + `, max_age=5, ` + e + `, max_age=5`:                        "nothing",
		e + `, max_age=5, x`:                                           "/5", // another challenge
		e + `, max_age=5, x y z`:                                       "nothing",
		`DPoP error="insufficient_user_authentication", max_age=5`:     "nothing",
		`Bearer error="Insufficient_user_authentication", max_age=5`:   "nothing",
		`Bearer error="insufficient_user_authentication ", max_age=5`:  "nothing",
		`Bearer errors="insufficient_user_authentication", max_age=5`:  "nothing",
		`Bearer x="error=insufficient_user_authentication", max_age=5`: "nothing",
		`error="insufficient_user_authentication", max_age=5`:          "nothing",
		`Bearer insufficient_user_authentication, max_age=5`:           "nothing",
	} {
		got := "nothing"
		if asks, ok := readChallenge([]string{header}); ok {
			got = acrText(asks) + "/" + maxAgeText(asks)
		}
		if got != want {
			t.Errorf("%.120q is read as %q, not %q", header, got, want)
		}
	}
}

// What we write, others who read as strictly understand.
func TestChallengesAreUnderstood(t *testing.T) {
	quarter, nothing := 15*time.Minute, time.Duration(0)
	for _, asks := range []access.StepUp{
		{ACR: []string{"mfa"}}, {ACR: []string{"urn:x:y", "b", "c"}, MaxAge: &quarter}, {MaxAge: &quarter}, {MaxAge: &nothing},
	} {
		f := loginInsufficient(asks)
		got, ok := readChallenge(f.header["Www-Authenticate"])
		if !ok || !reflect.DeepEqual(got, asks) {
			t.Errorf("%s is read as %v, %v", f.header, got, ok)
		}
		// RFC 6750 3: an error_description holds neither quotation marks nor backslashes, nor anything beyond ASCII.
		if strings.ContainsFunc(f.description(), func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
			t.Errorf("the description is %q", f.description())
		}
	}
}

// Whatever an upstream sends, nothing breaks, and what comes of it can be asked for: it survives the way to the provider's
// address, a cookie, and a challenge of ours.
func FuzzChallenges(f *testing.F) {
	f.Add(`Bearer error="insufficient_user_authentication", acr_values="a b", max_age="5"`, "")
	f.Add(`Basic realm="a\"b", Negotiate abc==, Bearer x=y`, `Bearer error=insufficient_user_authentication, max_age=5`)
	f.Add("Bearer a=\"\\", ",,=,")
	f.Fuzz(func(t *testing.T, one, two string) {
		asks, ok := readChallenge([]string{one, two})
		if !ok {
			if !asks.IsZero() {
				t.Errorf("refused, and yet %v", asks)
			}
			return
		}
		if asks.IsZero() || len(acrText(asks)) > 399 {
			t.Fatalf("asked is %v", asks)
		}
		for _, acr := range asks.ACR {
			if acr == "" || strings.ContainsFunc(acr, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
				t.Errorf("asked is the acr %q", acr)
			}
		}
		if asks.MaxAge != nil && (*asks.MaxAge < 0 || *asks.MaxAge > 1<<31*time.Second) {
			t.Errorf("asked is the age %s", asks.MaxAge)
		}
		if again, ok := readChallenge([]string{writeChallenge(asks, "again")}); !ok || fmt.Sprint(acrText(again), maxAgeText(again)) != fmt.Sprint(acrText(asks), maxAgeText(asks)) {
			t.Errorf("%v comes back as %v", asks, again)
		}
	})
}
