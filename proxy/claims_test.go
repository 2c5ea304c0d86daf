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
		"empty string":      {"", nil, false},
		"empty names":       {[]any{"", " ", "Dev"}, []string{"Dev"}, false},
		"number":            {7.0, nil, true},
		"number in array":   {[]any{"Dev", 7.0}, nil, true},
		"object":            {map[string]any{"Admin": true}, nil, true},
		"true":              {true, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readGroups("groups", c.claim)
			if (err != nil) != c.wrong || !c.wrong && len(got)+len(c.want) > 0 && !reflect.DeepEqual(got, c.want) {
				t.Errorf("readGroups(%v) = %q, %v; want %q, error %v", c.claim, got, err, c.want, c.wrong)
			}
		})
	}
}

// Zitadel's roles are the names in an object, and only under its own name for the claim: what the names in others are is nobody's guess.
func TestReadZitadelRoles(t *testing.T) {
	granted := map[string]any{"278369": "acme.zitadel.cloud"}
	for _, name := range []string{"urn:zitadel:iam:org:project:roles", "urn:zitadel:iam:org:project:278370:roles"} {
		got, err := readGroups(name, map[string]any{"writer": granted, "admin": granted, " ": granted})
		if err != nil || !reflect.DeepEqual(got, []string{"admin", "writer"}) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		for _, wrong := range []any{map[string]any{}, false, "278369", []any{"278369"}} {
			if got, err := readGroups(name, map[string]any{"writer": granted, "admin": wrong}); err == nil {
				t.Errorf("%s: granted by %v: %q", name, wrong, got)
			}
		}
	}
	for _, name := range []string{"resource_access", "groups", "urn:zitadel:iam:user:metadata"} {
		if got, err := readGroups(name, map[string]any{"admin": granted}); err == nil {
			t.Errorf("%s: %q", name, got)
		}
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
		"a\x7fb":            "a%7Fb",
	} {
		if got := encodeGroup(group); got != want {
			t.Errorf("encodeGroup(%q) = %q, want %q", group, got, want)
		}
	}
}

// The national clouds of Entra ID leave iss out, too; nobody else may.
func TestIssuersThatLeaveIssOut(t *testing.T) {
	for issuer, want := range map[string]bool{
		"https://login.microsoftonline.com/t/v2.0": true, "https://login.microsoftonline.us/t/v2.0": true, "https://login.partner.microsoftonline.cn/t/v2.0": true,
		"https://login.microsoftonline.com.evil.example/": false, "https://id.example.com/login.microsoftonline.com": false, "": false, "://": false,
	} {
		if got := omitsIssuer(issuer); got != want {
			t.Errorf("%q: %v", issuer, got)
		}
	}
}
