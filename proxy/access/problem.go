package access

import "fmt"

// Problem is something wrong in the table of rules or in an upstream's pattern. Compile joins all that it finds.
type Problem struct {
	Upstream bool   // the entry is the pattern of an upstream, not a rule
	Line     int    // of the entry in the text of the rules; 0 for an upstream
	Entry    string // as written; empty when the problem is of the table as a whole
	Wrong    string // continues a sentence that begins with the entry: "has no requirement"
	Mend     string // what to write instead, as an order: "write …"
}

// Error returns one sentence that names the entry, what is wrong and what to write instead.
func (p *Problem) Error() string {
	return p.Subject() + " " + p.Wrong + "; " + p.Mend
}

// Subject names the entry: `rule "/x" (line 3)`.
func (p *Problem) Subject() string {
	switch {
	case p.Entry == "":
		return "the table"
	case p.Upstream:
		return fmt.Sprintf("upstream pattern %q", p.Entry)
	case p.Line == 0:
		return fmt.Sprintf("entry %q", p.Entry)
	}
	return fmt.Sprintf("rule %q (line %d)", p.Entry, p.Line)
}

// problemf takes the mend first, so that the arguments of what is wrong stand behind their format.
func problemf(mend, wrong string, args ...any) *Problem {
	return &Problem{Wrong: fmt.Sprintf(wrong, args...), Mend: mend}
}

// about names the entry that the problem is about.
func (p *Problem) about(entry string) *Problem {
	p.Entry = entry
	return p
}
