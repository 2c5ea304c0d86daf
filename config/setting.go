package config

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// fileSuffix makes the variable that names a file out of the one that holds a value.
const fileSuffix = "_FILE"

// setting is a field of [Config] seen as a variable.
type setting struct {
	name     string   // DOORWARD_PUBLIC_URL
	field    int      // its index in Config
	kind     string   // how its text is read: text, list, table, PEM, bytes, number, duration, true or false
	fallback string   // the default, as text
	unset    string   // what takes its place where there is no default
	values   []string // the words that it accepts; nil for any
	example  string
	meaning  string
	required bool
	secret   bool
}

// settings lists the settings in the order of the table.
func settings() []setting {
	t := reflect.TypeFor[Config]()
	var all []setting
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() && f.Tag.Get("ignored") == "" {
			all = append(all, newSetting(f, i))
		}
	}
	return all
}

// settingOf is the setting of that name, without prefix.
func settingOf(name string) setting {
	all := settings()
	return all[slices.IndexFunc(all, func(s setting) bool { return s.name == Prefix+"_"+name })]
}

func newSetting(f reflect.StructField, index int) setting {
	s := setting{
		name:     variableName(f.Name),
		field:    index,
		kind:     cmp.Or(f.Tag.Get("kind"), kindOf(f.Type)),
		fallback: f.Tag.Get("default"),
		unset:    f.Tag.Get("unset"),
		example:  f.Tag.Get("example"),
		meaning:  f.Tag.Get("desc"),
		required: f.Tag.Get("required") == "true",
		secret:   f.Tag.Get("secret") == "true",
	}
	if values := f.Tag.Get("values"); values != "" {
		s.values = strings.Split(values, ",")
	}
	return s
}

func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t.Kind() == reflect.Slice:
		return "list"
	case t.Kind() == reflect.Int:
		return "number"
	case t.Kind() == reflect.Bool:
		return "true or false"
	}
	return "text"
}

// variableName names the variable of a field as envconfig's split_words does:
// a word begins where a capital follows a small letter, and with the last
// capital of an acronym that a word follows.
func variableName(field string) string {
	var name strings.Builder
	name.WriteString(Prefix + "_")
	for i, r := range field {
		wordAfter := i+1 < len(field) && unicode.IsLower(rune(field[i+1]))
		if i > 0 && unicode.IsUpper(r) && (unicode.IsLower(rune(field[i-1])) || wordAfter) {
			name.WriteByte('_')
		}
		name.WriteRune(unicode.ToUpper(r))
	}
	return name.String()
}

// place is where the table lists the setting of a variable; after the last
// for a variable that no setting bears.
func place(variable string) int {
	all := settings()
	i := slices.IndexFunc(all, func(s setting) bool { return s.name == withoutFile(variable) })
	if i < 0 {
		return len(all)
	}
	return i
}

func withoutFile(variable string) string {
	return strings.TrimSuffix(variable, fileSuffix)
}

// setDefault writes the default into the setting's field. No list has one, and
// what a default says is ours, so it always parses.
func (s setting) setDefault(field reflect.Value) {
	switch v := field.Addr().Interface().(type) {
	case *string:
		*v = s.fallback
	case *int:
		*v, _ = strconv.Atoi(s.fallback)
	case *bool:
		*v, _ = strconv.ParseBool(s.fallback)
	case *time.Duration:
		*v, _ = time.ParseDuration(s.fallback)
	}
}

// Known reports whether a setting, or the file of one, bears the name, without prefix: for tests of what names settings elsewhere.
func Known(name string) bool {
	return slices.ContainsFunc(settings(), func(s setting) bool { return s.name == withoutFile(Prefix+"_"+name) })
}
