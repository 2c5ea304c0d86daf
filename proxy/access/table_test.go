package access

import (
	"slices"
	"testing"
)

func TestSplitTable(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []Entry
	}{
		{"empty", " \n ; \n", nil},
		{"lines", "/a x\r\n\n  /b y \n", []Entry{{1, "/a x"}, {3, "/b y"}}},
		{"semicolons", "/a x;/b y ; /c z", []Entry{{1, "/a x"}, {1, "/b y"}, {1, "/c z"}}},
		{"a comment ends with its line", "# don't; do \" this\n/a x; # and ; this\n/b y", []Entry{{2, "/a x"}, {3, "/b y"}}},
		{"a hash within an entry", "/a group:#x", []Entry{{1, "/a group:#x"}}},
		{"a hash within quotation marks", `/a group:"#;x"`, []Entry{{1, `/a group:"#;x"`}}},
		{"a newline within quotation marks", "/a group:\"x\ny\"\n/b z", []Entry{{1, "/a group:\"x\ny\""}, {3, "/b z"}}},
		{"a last comment", "/a x\n#", []Entry{{1, "/a x"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := SplitTable(c.text)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%v, %v, want %v", got, err, c.want)
			}
		})
	}
}

func TestSplitTableNamesTheOpenQuotationMark(t *testing.T) {
	entries, err := SplitTable("/a x\n/b y group:\"z\n/c d\n")
	problem, ok := err.(*Problem)
	if !ok || problem.Line != 2 || problem.Entry != `/b y group:"z` || len(entries) != 1 {
		t.Errorf("%v, entries %v", err, entries)
	}
}

func TestSplitFields(t *testing.T) {
	got, err := SplitFields("  GET,POST\t/x  group:\"a  b\",c!\"\" \n|  d ")
	want := []string{"GET,POST", "/x", `group:"a  b",c!""`, "|", "d"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

func TestSplitFieldsRefuses(t *testing.T) {
	for _, entry := range []string{`a "b`, "a\u00a0b", "a\ufeff", "a\x00"} {
		if fields, err := SplitFields(entry); err == nil {
			t.Errorf("%q is taken as %q", entry, fields)
		}
	}
}

func TestUpstreamPatternWithAnOpenQuotationMarkIsRefused(t *testing.T) {
	if _, err := Compile("/ authenticated", []Upstream{{Pattern: `"/x`}}); err == nil {
		t.Error("accepted")
	}
}
