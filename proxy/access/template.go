package access

import (
	"slices"
	"strings"
)

// template is a value of a requirement, in which {name} stands for what a wildcard of the pattern stands for.
type template []piece

type piece struct {
	text     string
	wildcard bool // text is the name of a wildcard
}

// bindings are the values of those wildcards that a rule's requirement uses, by their names.
type bindings map[string]string

func (t template) expand(b bindings) string {
	if len(t) == 1 && !t[0].wildcard {
		return t[0].text
	}
	var value strings.Builder
	for _, p := range t {
		if p.wildcard {
			value.WriteString(b[p.text])
		} else {
			value.WriteString(p.text)
		}
	}
	return value.String()
}

// equals never holds for an empty value: neither a wildcard that stands for nothing nor a claim without content says anything.
func (t template) equals(value string, b bindings) bool {
	return value != "" && t.expand(b) == value
}

func (t template) wildcards() []string {
	var names []string
	for _, p := range t {
		if p.wildcard {
			names = append(names, p.text)
		}
	}
	return names
}

// parseTemplate reads a value; braces between quotation marks are literal.
func parseTemplate(written string, of *pattern) (template, *Problem) {
	var t template
	for written != "" {
		before, after, found := cutOutside(written, '{')
		if strings.Contains(outside(before), "}") {
			return nil, problemf(`put the value into quotation marks, or write {name}`, "has a brace that is never opened in a value")
		}
		if before != "" {
			t = append(t, piece{text: unquote(before)})
		}
		if !found {
			break
		}
		name, rest, closed := strings.Cut(after, "}")
		if problem := checkUse(name, closed, of); problem != nil {
			return nil, problem
		}
		t = append(t, piece{text: name, wildcard: true})
		written = rest
	}
	return t, nil
}

// checkUse says what is wrong with a wildcard in a value. Of a pattern that cannot be read it may be any.
func checkUse(name string, closed bool, of *pattern) *Problem {
	if !closed {
		return problemf(`put the value into quotation marks, or write {name}`, "has a brace that is never closed in a value")
	}
	if of == nil {
		return nil
	}
	known := of.wildcards()
	switch {
	case slices.Contains(known, name):
		return nil
	case len(known) == 0:
		return problemf("write /{"+name+"}/ in the path, or put the value into quotation marks", "uses {%s}, and its pattern has no wildcard", name)
	}
	return problemf("write {"+strings.Join(known, "}, {")+"}, or put the value into quotation marks", "uses {%s}, which its pattern does not have", name)
}
