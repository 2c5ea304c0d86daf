package pages

import (
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// maxTemplate bounds a file, in bytes.
const maxTemplate = 256 << 10

// folder is what PAGES_DIR names, on its way into a Set.
type folder struct {
	path     string
	set      *Set
	parts    *template.Template
	problems []error
}

// readOwn reads the folder. All of its errors are Problems.
func (s *Set) readOwn(dir string) []error {
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return []error{&Problem{"Dir", fmt.Sprintf("%s: %v", dir, withoutPath(err)), "name a folder of templates that doorward may read"}}
	}
	f := &folder{path: dir, set: s, parts: template.New("")}
	var names []string
	for _, entry := range entries {
		switch name := entry.Name(); {
		case strings.HasPrefix(name, ".") || !isTemplate(name):
		case strings.HasPrefix(name, "_"):
			f.readPart(name)
		default:
			names = append(names, name)
		}
	}
	if f.problems == nil { // else each page that uses the part would complain, too
		f.readPages(names)
	}
	return f.problems
}

// isTemplate is generous: what looks like one and is none of ours is a mistake that somebody wants to know of.
func isTemplate(name string) bool {
	return slices.Contains([]string{".html", ".htm", ".tmpl", ".gohtml"}, strings.ToLower(filepath.Ext(name)))
}

func (f *folder) readPart(name string) {
	if text, ok := f.read(name); ok {
		if _, err := f.parts.New(name).Parse(text); err != nil {
			f.broken(name, err)
		}
	}
}

// readPages reads a template for each kind that has one, and page.html for the others.
func (f *folder) readPages(names []string) {
	for _, name := range names {
		stands := standsFor(name, names)
		if stands == nil {
			f.wrong(name, "is the name of no page", "name it page.html, or "+fileNames()+"; parts begin with _")
			continue
		}
		t, ok := f.readPage(name)
		for i := 0; ok && i < len(stands); i++ {
			if err := f.set.take(stands[i], t); err != nil {
				f.broken(name, err)
				ok = false
			}
		}
	}
}

// standsFor are the kinds that a file is for, where these files are there.
func standsFor(name string, names []string) []Kind {
	if name == "page.html" {
		return slices.DeleteFunc(kinds(), func(k Kind) bool { return slices.Contains(names, string(k)+".html") })
	}
	if kind := Kind(strings.TrimSuffix(name, ".html")); slices.Contains(kinds(), kind) {
		return []Kind{kind}
	}
	return nil
}

func fileNames() string {
	var names []string
	for _, kind := range kinds() {
		names = append(names, string(kind)+".html")
	}
	return strings.Join(names, ", ")
}

func (f *folder) readPage(name string) (*template.Template, bool) {
	text, ok := f.read(name)
	if !ok {
		return nil, false
	}
	t, err := f.parts.Clone()
	if err == nil {
		t, err = t.New(name).Parse(text)
	}
	if err != nil {
		f.broken(name, err)
	}
	return t, err == nil
}

// read reads a file, and looks for what browsers would refuse in it.
func (f *folder) read(name string) (text string, ok bool) {
	data, err := readFile(filepath.Join(f.path, name), maxTemplate)
	if err != nil {
		f.wrong(name, err.Error(), "let doorward read it, and take data: pictures out of it if it is too large")
		return "", false
	}
	before := len(f.problems)
	for i, line := range strings.Split(string(data), "\n") {
		if what, mend := refused(line); what != "" {
			f.wrong(fmt.Sprintf("%s:%d", name, i+1), what, mend)
		}
	}
	return string(data), len(f.problems) == before
}

// refused says what a browser would not do for a page of ours, by its policy.
func refused(line string) (what, mend string) {
	for _, r := range []struct{ pattern, what, mend string }{
		{`(?i)<script`, "a script does not run on these pages", "take it out"},
		{`(?i)<link[^>]*stylesheet`, "a style sheet is not loaded by these pages", "put the style itself into a <style> element"},
		{`(?i)<[a-z][^>]*\sstyle\s*=`, "a style attribute does nothing on these pages", "give the element a class, and put its style into a <style> element"},
		{`(?i)<[a-z][^>]*\son[a-z]+\s*=`, "an event handler is a script, and does not run on these pages", "take it out"},
	} {
		if regexp.MustCompile(r.pattern).MatchString(line) {
			return r.what, r.mend
		}
	}
	return "", ""
}

// broken adds what html/template says, which begins with the file, the line, and sometimes the column.
func (f *folder) broken(name string, err error) {
	where, what := name, err.Error()
	if found := regexp.MustCompile(`template: ?([^: ]+:\d+)(?::\d+)?: (?s:(.*))`).FindStringSubmatch(what); found != nil {
		where, what = found[1], found[2]
	}
	f.wrong(where, what, "see deploy/pages/README.md for what a page may use")
}

// wrong adds a problem of a file. where is its name, with the line where that is known.
func (f *folder) wrong(where, what, mend string) {
	f.problems = append(f.problems, &Problem{"Dir", filepath.Join(f.path, where) + ": " + what, mend})
}
