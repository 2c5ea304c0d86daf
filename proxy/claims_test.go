package proxy

import (
	"reflect"
	"testing"
)

func TestReadGroups(t *testing.T) {
	for name, c := range map[string]struct {
		claim any
		want  []string
		wrong bool
	}{
		"absent":            {nil, nil, false},
		"array":             {[]any{"Dev", "Admin"}, []string{"Dev", "Admin"}, false},
		"one string":        {"Admin", []string{"Admin"}, false},
		"string with blank": {"Dev Admin", []string{"Dev Admin"}, false},
		"string with comma": {"Dev,Admin", []string{"Dev,Admin"}, false},
		"empty names":       {[]any{"", " ", "Dev"}, []string{"Dev"}, false},
		"number":            {7.0, nil, true},
		"number in array":   {[]any{"Dev", 7.0}, nil, true},
		"object":            {map[string]any{"Admin": true}, nil, true},
		"true":              {true, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readGroups(c.claim)
			if (err != nil) != c.wrong || !c.wrong && len(got)+len(c.want) > 0 && !reflect.DeepEqual(got, c.want) {
				t.Errorf("readGroups(%v) = %q, %v; want %q, error %v", c.claim, got, err, c.want, c.wrong)
			}
		})
	}
}

func TestEncodeGroup(t *testing.T) {
	for group, want := range map[string]string{
		"Admin":             "Admin",
		"Site Reliability":  "Site Reliability",
		"a,b":               "a%2Cb",
		"50%":               "50%25",
		" outer ":           "%20outer%20",
		"a\r\nX-Admin: 1":   "a%0D%0AX-Admin: 1",
		"Büro":              "Büro",
		"\u00a0Admin\u2003": "%C2%A0Admin%E2%80%83",
		"a\u0085b":          "a%C2%85b",
	} {
		if got := encodeGroup(group); got != want {
			t.Errorf("encodeGroup(%q) = %q, want %q", group, got, want)
		}
	}
}
