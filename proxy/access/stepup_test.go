package access

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// text writes what is asked for as rules do: "acr:a,b max-age:15m0s".
func (u StepUp) text() string {
	var words []string
	if len(u.ACR) > 0 {
		words = append(words, "acr:"+strings.Join(u.ACR, ","))
	}
	if u.MaxAge != nil {
		words = append(words, fmt.Sprintf("max-age:%s", u.MaxAge))
	}
	return strings.Join(words, " ")
}

// alice has acr mfa, and her login is ten minutes old.
func TestLoginThatWouldSatisfyARule(t *testing.T) {
	for _, c := range []struct{ requirement, asked string }{
		{"acr:gold", "acr:gold"},
		{"acr:gold,silver", "acr:gold,silver"},
		{"max-age:5m", "max-age:5m0s"},
		{"max-age:90500ms", "max-age:1m30s"},
		{"max-age:500ms", "max-age:0s"},
		{"acr:mfa max-age:5m", "acr:mfa max-age:5m0s"},
		{"group:Admin acr:gold", "acr:gold"},
		{"group:Dev acr:gold", ""},
		{"acr:gold max-age:1h max-age:5m", "acr:gold max-age:5m0s"},
		{"acr:gold,silver acr:silver,bronze", "acr:silver"},
		{"acr:gold acr:silver", ""},
		{"group:Dev acr:gold | acr:silver", "acr:silver"},
		{"acr:gold | acr:silver max-age:5m", "acr:gold"},
		{"!acr:mfa", ""},
		{"acr:gold !acr:mfa", ""},
		{"acr:gold,weak !acr:weak", "acr:gold"},
		{"acr:weak !acr:weak max-age:5m", ""},
		{"!acr:weak max-age:5m", "max-age:5m0s"},
		{"!group:Admin acr:gold", ""},
		{`acr:"a b"`, ""},
		{`acr:"a b",gold`, "acr:gold"},
		{`acr:a',é,a\b,gold`, "acr:a',gold"},
		{"group:Dev", ""},
		{"deny", ""},
		{"acr:" + strings.Repeat("x", 399), "acr:" + strings.Repeat("x", 399)},
		{"acr:" + strings.Repeat("x", 400), ""},
		{"acr:" + strings.Repeat("x", 398) + ",y", "acr:" + strings.Repeat("x", 398)},
	} {
		t.Run(c.requirement, func(t *testing.T) {
			route, err := compile(t, "/ "+c.requirement).Route("GET", "h", "/")
			if err != nil {
				t.Fatal(err)
			}
			refusal := route.Check(alice())
			if refusal == nil {
				t.Fatal("the rule holds")
			}
			if got := refusal.StepUp.text(); got != c.asked || refusal.Conflict {
				t.Errorf("asked is %q, want %q; conflict %v", got, c.asked, refusal.Conflict)
			}
		})
	}
}

// Where several rules must hold, one login has to be right for all of them: for those that hold now, too.
func TestLoginThatWouldSatisfySeveralRules(t *testing.T) {
	for _, c := range []struct {
		one, other, asked string
		conflict          bool
	}{
		{"acr:gold", "max-age:5m", "acr:gold max-age:5m0s", false},
		{"acr:mfa", "max-age:5m", "acr:mfa max-age:5m0s", false},
		{"acr:gold,silver", "acr:silver,bronze", "acr:silver", false},
		{"acr:gold", "acr:silver", "", true},
		{"acr:mfa", "acr:silver", "", true},
		{"acr:gold", "acr:silver | acr:gold max-age:5m", "acr:gold max-age:5m0s", false},
		{"acr:gold", "acr:silver | group:Admin", "acr:gold", false},
		{"acr:gold | group:Admin", "max-age:5m", "max-age:5m0s", false},
		{"acr:gold", "authenticated", "acr:gold", false},
		{"acr:gold", "group:Dev", "", false},
		{"acr:gold", "deny", "", false},
		{"max-age:8m", "max-age:5m", "max-age:5m0s", false},
	} {
		for _, pair := range [][2]string{{c.one, c.other}, {c.other, c.one}} {
			route, err := compile(t, "/{a}/x/ "+pair[0]+"\n/y/ "+pair[1]).Route("GET", "h", "/y/x/")
			if err != nil {
				t.Fatal(err)
			}
			refusal := route.Check(alice())
			if refusal == nil || refusal.StepUp.text() != c.asked || refusal.Conflict != c.conflict {
				t.Errorf("%q: %+v", pair, refusal)
			}
		}
	}
}

// Somebody who is refused is never told to ask for what they have: another login would change nothing.
func TestWhatIsAskedForIsNotThereYet(t *testing.T) {
	for _, requirement := range []string{"acr:gold", "max-age:9m", "acr:mfa max-age:9m", "acr:gold max-age:1h", "group:Dev | max-age:599500ms"} {
		s := alice()
		route, err := compile(t, "/ "+requirement).Route("GET", "h", "/")
		if err != nil {
			t.Fatal(err)
		}
		asked := route.Check(s).StepUp
		if asked.IsZero() || asked.SatisfiedBy(s) {
			t.Errorf("%s: alice satisfies %q", requirement, asked.text())
		}
		if s.AuthTime = s.Now; len(asked.ACR) > 0 {
			s.ACR = asked.ACR[0]
		}
		if !asked.SatisfiedBy(s) || route.Check(s) != nil {
			t.Errorf("%s: after a login with %q it does not hold", requirement, asked.text())
		}
	}
}

func TestWhatTheFirstLoginAsksFor(t *testing.T) {
	for _, c := range []struct{ rules, asked string }{
		{"/ authenticated", ""},
		{"/ group:Admin", ""},
		{"/ acr:gold", "acr:gold"},
		{"/ group:Admin acr:gold max-age:5m", "acr:gold max-age:5m0s"},
		{"/ group:Admin | acr:gold", ""},
		{"/ acr:gold | group:Admin", ""},
		{"/ !acr:weak", ""},
		{"/ public", ""},
		{"/ upstream-auth", ""},
		{"/{a}/x/ acr:gold\n/y/ max-age:5m", "acr:gold max-age:5m0s"},
		{"/{a}/x/ acr:gold\n/y/ group:Admin | acr:silver", "acr:gold"},
		{"/{a}/x/ acr:gold\n/y/ acr:silver", ""},
	} {
		route, err := compile(t, c.rules).Route("GET", "h", "/y/x/")
		if err != nil {
			t.Fatal(err)
		}
		if got := route.AtLogin().text(); got != c.asked {
			t.Errorf("%s: asked is %q, want %q", c.rules, got, c.asked)
		}
	}
}

// What somebody else asks for is asked for only as far as the rules allow it, and together with what they ask for themselves.
func TestFurtherDemandsKeepToTheRules(t *testing.T) {
	hour := time.Hour
	for _, c := range []struct {
		requirement string
		further     StepUp
		asked       string
		ok          bool
	}{
		{"authenticated", StepUp{ACR: []string{"gold"}}, "acr:gold", true},
		{"public", StepUp{ACR: []string{"gold"}}, "acr:gold", true},
		{"acr:mfa", StepUp{MaxAge: &hour}, "acr:mfa max-age:1h0m0s", true},
		{"acr:mfa,gold", StepUp{ACR: []string{"silver", "gold"}}, "acr:gold", true},
		{"acr:mfa", StepUp{ACR: []string{"weak"}}, "", false},
		{"group:Dev", StepUp{ACR: []string{"gold"}}, "", false},
		{"deny", StepUp{ACR: []string{"gold"}}, "", false},
	} {
		route, err := compile(t, "/ "+c.requirement).Route("GET", "h", "/")
		if err != nil {
			t.Fatal(err)
		}
		if asked, ok, _ := route.StepUp(alice(), c.further); ok != c.ok || asked.text() != c.asked {
			t.Errorf("%s and %s: asked is %q, %v", c.requirement, c.further.text(), asked.text(), ok)
		}
	}
}

func TestACRsThatRulesAskFor(t *testing.T) {
	p := compile(t, "/ acr:b,a group:Admin | acr:c !acr:weak\n/x/ group:Dev\n/y/ acr:\"d e\",f")
	if got := fmt.Sprint(p.ACRs()); got != "[[b a] [c] [f]]" {
		t.Errorf("got %s", got)
	}
}

// What somebody else asks for is taken as it can be asked for further on, or not at all.
func TestACRsThatOthersAskFor(t *testing.T) {
	longest := strings.Repeat("x", 399)
	for text, want := range map[string][]string{
		"gold": {"gold"}, "gold silver": {"gold", "silver"}, "~!": {"~!"}, longest: {longest},
		"": nil, " ": nil, " gold": nil, "gold ": nil, "gold  silver": nil, "gold\tsilver": nil, "g\u00f6ld": nil, "gold\x7f": nil,
		`g"old`: nil, `g\old`: nil, longest + "x": nil,
	} {
		if got, ok := ParseACR(text); ok != (want != nil) || ok && !slices.Equal(got, want) {
			t.Errorf("%q is read as %q, %v", text, got, ok)
		}
	}
}

// The values of a rule are its own: asking for some of them changes none.
func TestAskingLeavesTheRulesAlone(t *testing.T) {
	p := compile(t, "/{a}/x/ acr:a,b,c\n/y/ acr:c,b !acr:b")
	for range 2 {
		route, err := p.Route("GET", "h", "/y/x/")
		if err != nil {
			t.Fatal(err)
		}
		if got := route.Check(alice()).StepUp.ACR; !slices.Equal(got, []string{"c"}) {
			t.Errorf("asked is %q", got)
		}
	}
}

// An alternative that no login could be asked for leaves the others to be asked for.
func TestAlternativesThatCannotBeAskedForAreLeftOut(t *testing.T) {
	for _, requirement := range []string{`acr:"a b" | acr:gold`, "acr:bronze acr:silver | acr:gold", "acr:weak !acr:weak | acr:gold"} {
		route, err := compile(t, "/ "+requirement).Route("GET", "h", "/")
		if err != nil {
			t.Fatal(err)
		}
		refusal := route.Check(alice())
		if refusal == nil {
			t.Fatalf("%s holds", requirement)
		}
		if got := refusal.StepUp.text(); got != "acr:gold" {
			t.Errorf("%s: asked is %q", requirement, got)
		}
	}
}
