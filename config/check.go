package config

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"
)

// checkRequired reports the required settings that are missing.
func checkRequired(c *Config) Problems {
	var problems Problems
	fields := reflect.ValueOf(c).Elem()
	for _, s := range settings() {
		if s.required && empty(fields.Field(s.field)) {
			problems = append(problems, s.problem("is required and not set", s.mendMissing()))
		}
	}
	return problems
}

func empty(field reflect.Value) bool {
	if field.Kind() == reflect.Slice {
		return field.Len() == 0
	}
	return isBlank(field.String())
}

// mendMissing is a line to copy, or says why what is there does not count. It
// holds no secret: it may stand in a log.
func (s setting) mendMissing() string {
	if bare := strings.TrimPrefix(s.name, Prefix+"_"); os.Getenv(bare) != "" {
		return "write its name in full: " + bare + " is set, which is none of doorward's"
	}
	return "set it, e.g. " + s.name + "=" + s.example
}

// checkChoices reports words that a setting with a fixed choice does not know.
func checkChoices(c *Config) Problems {
	var problems Problems
	fields := reflect.ValueOf(c).Elem()
	for _, s := range settings() {
		for _, word := range words(fields.Field(s.field)) {
			if s.values != nil && !slices.Contains(s.values, word) {
				problems = append(problems, s.problem("does not know "+quote(word), "write "+alternatives(s.values)))
			}
		}
	}
	return problems
}

func words(field reflect.Value) []string {
	switch v := field.Interface().(type) {
	case []string:
		return v
	case string:
		if v != "" {
			return []string{v}
		}
	}
	return nil
}

// alternatives writes "a, b or c".
func alternatives(values []string) string {
	last := len(values) - 1
	if last == 0 {
		return values[0]
	}
	return strings.Join(values[:last], ", ") + " or " + values[last]
}

func checkDurations(c *Config) Problems {
	var problems Problems
	fields := reflect.ValueOf(c).Elem()
	for _, s := range settings() {
		if d, ok := fields.Field(s.field).Interface().(time.Duration); ok && d < 0 {
			problems = append(problems, s.problem(fmt.Sprintf("%v is less than nothing", d), "write 0s or more, e.g. "+s.fallback))
		}
	}
	return problems
}
