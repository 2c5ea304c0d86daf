package config_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"doorward/config"
)

func TestGroupNames(t *testing.T) {
	names, err := load(t, map[string]string{"GROUP_ALIASES": " Finance = 1f0c ,Site Reliability=7b10,DN=cn=ops"}).GroupNames()
	if want := map[string]string{"1f0c": "Finance", "7b10": "Site Reliability", "cn=ops": "DN"}; err != nil || !maps.Equal(names, want) {
		t.Errorf("the names are %v, %v; want %v", names, err, want)
	}
}

// Under its identifier nobody is in a group that has a name, so that "!" in front of it would let everybody pass.
func TestRulesByIdentifierAreRefused(t *testing.T) {
	ps := problems(t, map[string]string{"GROUP_ALIASES": "Contractors=1f0c,Ops=7b10", "ACCESS_RULES": "/ group:Ops !group:1f0c; /user/{name}/ group:{name}"})
	if len(ps) != 1 || ps[0].Variable != "DOORWARD_ACCESS_RULES" || !strings.Contains(ps[0].Wrong, `"1f0c"`) || !strings.Contains(ps[0].Wrong, `"Contractors"`) {
		t.Errorf("the problems are %v", ps)
	}
}

func TestGroupsThatNoAliasNamesAreNoted(t *testing.T) {
	rules := "/ group:Finance,Finanse"
	if notes := noted(load(t, map[string]string{"GROUP_ALIASES": "Finance=1f0c", "ACCESS_RULES": rules}), "GROUP_ALIASES"); len(notes) != 1 || !strings.Contains(notes[0], `"Finanse"`) {
		t.Errorf("the notes are %q", notes)
	}
	if notes := noted(load(t, map[string]string{"ACCESS_RULES": rules}), "GROUP_ALIASES"); len(notes) != 0 {
		t.Errorf("without aliases, the notes are %q", notes)
	}
}

// noted are the notes that mention a setting.
func noted(c *config.Config, setting string) []string {
	return slices.DeleteFunc(c.Notes(), func(note string) bool { return !strings.Contains(note, setting) })
}
