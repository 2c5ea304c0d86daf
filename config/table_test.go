package config_test

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"doorward/config"
)

func table(markdown bool) string {
	var b bytes.Buffer
	config.Table(&b, markdown)
	return b.String()
}

// The names in the table are doorward's own reading of the fields; that
// envconfig reads them alike is what TestLoadNeedsOnlyTheRequired shows for
// some, and this for all.
func TestTableListsEveryFieldUnderTheNameThatIsRead(t *testing.T) {
	rows := strings.Split(strings.TrimSpace(table(true)), "\n")[2:]
	fields := reflect.VisibleFields(reflect.TypeFor[config.Config]())
	fields = slices.DeleteFunc(fields, func(f reflect.StructField) bool { return !f.IsExported() || f.Tag.Get("ignored") == "true" })
	if len(rows) != len(fields) {
		t.Fatalf("%d rows for %d fields", len(rows), len(fields))
	}
	for i, row := range rows {
		name := strings.TrimPrefix(strings.Split(row, "`")[1], "DOORWARD_")
		environment(t, map[string]string{name: "fake"})
		c, _ := config.Load()
		got := reflect.ValueOf(c).Elem().FieldByIndex(fields[i].Index)
		if got.Kind() == reflect.String && got.String() != "fake" || got.Kind() == reflect.Slice && got.Len() != 1 {
			t.Errorf("%s is not the variable of %s: %v", name, fields[i].Name, got)
		}
	}
}

func TestEverySettingIsDocumented(t *testing.T) {
	for _, row := range strings.Split(strings.TrimSpace(table(true)), "\n")[2:] {
		cells := strings.Split(strings.ReplaceAll(row, `\|`, ""), " | ")
		if len(cells) != 4 {
			t.Errorf("%d cells in %s", len(cells), row)
			continue
		}
		for _, cell := range cells {
			if strings.Trim(cell, " |") == "" {
				t.Errorf("an empty cell in %s", row)
			}
		}
	}
}

func TestTableForATerminal(t *testing.T) {
	text := table(false)
	for _, want := range []string{"list of secrets, with commas;", "list of provider or redis, with commas;", "DOORWARD_PUBLIC_URL\n    list, with commas; default: required\n", "DOORWARD_SHUTDOWN_DELAY\n    duration; default: 5s\n", "X_FILE"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if len(line) > 101 {
			t.Errorf("a line of %d bytes: %s", len(line), line)
		}
	}
}
