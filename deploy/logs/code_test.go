//go:build unix

package logs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// words are the fixed words of the log in doorward's source: the events, and the outcomes.
type words struct {
	t         *testing.T
	events    map[string]token.Position
	outcomes  map[string]token.Position
	constants map[string]string
	files     *token.FileSet
}

// wordsOf reads all source files of folders, but for tests, and for our end of the provider's conversation, which has no log.
func wordsOf(t *testing.T, folders ...string) *words {
	t.Helper()
	w := &words{t: t, events: map[string]token.Position{}, outcomes: map[string]token.Position{}, constants: map[string]string{}, files: token.NewFileSet()}
	var all []*ast.File
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "/provider") {
				return err
			}
			file, err := parser.ParseFile(w.files, path, nil, parser.SkipObjectResolution)
			all = append(all, file)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range all {
		ast.Inspect(file, w.constant)
	}
	for _, file := range all {
		ast.Inspect(file, w.look)
	}
	return w
}

func (w *words) constant(n ast.Node) bool {
	if spec, is := n.(*ast.ValueSpec); is {
		for i, value := range spec.Values {
			if text, is := text(value); is {
				w.constants[spec.Names[i].Name] = text
			}
		}
	}
	return true
}

// look finds the ways in which words get into the log.
func (w *words) look(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		w.call(n)
	case *ast.KeyValueExpr: // of a failure
		if key, is := n.Key.(*ast.Ident); is && (key.Name == "event" || key.Name == "code") {
			w.set(key.Name, n.Value)
		}
	case *ast.ValueSpec:
		for i, value := range n.Values {
			if n.Names[i].Name == "event" {
				w.set("event", value)
			}
		}
	case *ast.AssignStmt:
		for i := range min(len(n.Lhs), len(n.Rhs)) {
			switch to := n.Lhs[i].(type) {
			case *ast.Ident:
				if to.Name == "event" {
					w.set(to.Name, n.Rhs[i])
				}
			case *ast.SelectorExpr:
				if to.Sel.Name == "event" || to.Sel.Name == "code" || to.Sel.Name == "outcome" {
					w.set(to.Sel.Name, n.Rhs[i])
				}
			}
		}
	}
	return true
}

// call notes the event of a line that is written.
func (w *words) call(c *ast.CallExpr) {
	method, is := c.Fun.(*ast.SelectorExpr)
	if !is {
		return
	}
	on, event := "", -1
	switch of := method.X.(type) {
	case *ast.Ident:
		on = of.Name
	case *ast.SelectorExpr:
		on = of.Sel.Name
	}
	switch method.Sel.Name {
	case "Debug", "Info", "Warn", "Error":
		event = 0
	case "Log", "LogAttrs":
		event = 2
	}
	switch {
	case on == "slog" && method.Sel.Name == "NewRecord", method.Sel.Name == "event" && len(c.Args) == 3:
		event = 2
	case on != "log" && on != "logger" && on != "l":
		return
	}
	if event >= 0 && event < len(c.Args) {
		w.set("event", c.Args[event])
	}
}

// set notes a word, which is written out or a constant.
func (w *words) set(kind string, value ast.Expr) {
	at := w.files.Position(value.Pos())
	if passedOn(value) {
		return
	}
	word, is := text(value)
	if name, named := value.(*ast.Ident); named {
		word, is = w.constants[name.Name]
	}
	if !is {
		w.t.Errorf("%s: the %s is no fixed word", at, kind)
		return
	}
	if kind == "event" {
		w.events[word] = at
	} else {
		w.outcomes[word] = at
	}
}

// passedOn says whether a word comes from a variable or a field, and was noted where that got it.
func passedOn(value ast.Expr) bool {
	switch value := value.(type) {
	case *ast.SelectorExpr:
		return true
	case *ast.Ident:
		return value.Name == "event" || value.Name == "name" || value.Name == "code"
	}
	return false
}

func text(e ast.Expr) (string, bool) {
	literal, is := e.(*ast.BasicLit)
	if !is || literal.Kind != token.STRING {
		return "", false
	}
	value, err := strconv.Unquote(literal.Value)
	return value, err == nil
}
