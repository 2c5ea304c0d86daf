package migrate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"doorward/proxy/access"
)

// Whatever is read: nothing panics, every line of docker's form is a setting or a comment, and the rules compile.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil || len(files) < 10 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add(awkward)
	f.Add("providers: [{clientID: &a x, loginURLParameters: [{name: *a, default: [*a]}]}]")
	f.Add("a: &a {b: *a}")
	f.Fuzz(func(t *testing.T, text string) {
		found, err := read(strings.NewReader(text), "fuzz", false)
		if err != nil {
			return
		}
		if found.values["authenticated_emails_file"].texts != nil {
			found.open("authenticated_emails_file") // no file of this machine
		}
		m := Translate(found, "")
		if _, err := access.Compile(m.value("ACCESS_RULES"), nil); err != nil {
			t.Errorf("%q becomes rules that do not compile: %v", text, err)
		}
		var out strings.Builder
		m.WriteSettings(&out, true)
		for line := range strings.Lines(out.String()) {
			if line != "\n" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "DOORWARD_") {
				t.Errorf("%q becomes the line %q", text, line)
			}
		}
	})
}
