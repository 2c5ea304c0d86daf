// Package migrate turns a configuration of oauth2-proxy into one of doorward.
//
// It never guesses in the direction of more access. What cannot be said exactly ends stricter: a path that was public and cannot be
// named needs a login, a restriction that cannot be kept lets nobody in. Whatever is not the same is listed.
//
// Secrets stand in the settings that are written, because these are the configuration, and nowhere else: lists and errors name options
// and never show the value of one that may be secret.
package migrate

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Migration is what became of a configuration of oauth2-proxy.
type Migration struct {
	// Settings are doorward's, in the order in which they are written.
	Settings []Setting
	// Todo is what only its owner can say; until then doorward does not start, or lets fewer people in.
	Todo []string
	// Changes is what is otherwise from now on, General for everybody who comes from oauth2-proxy.
	Changes, General []string
	// Gone is what has no equal, with what to do instead.
	Gone []string
	// Needless are options that doorward has no need of.
	Needless []string
	// Sources names what was read.
	Sources []string

	found *Found
	front string
}

// Setting is one of doorward's.
type Setting struct {
	Name  string // without prefix
	Value string
	From  string // where it comes from
	// Example says that Value is to be filled in.
	Example bool
}

// Translate turns what was found into settings. front is the server in front that asks /oauth2/auth, as FORWARD_AUTH names it; empty
// where doorward takes the requests itself or nobody said.
func Translate(f *Found, front string) *Migration {
	m := &Migration{found: f, front: front, Sources: f.Sources}
	m.unread()
	m.publicURL()
	m.upstreams()
	m.forwardAuth()
	m.accessRules()
	m.provider()
	m.client()
	m.claims()
	m.cookies()
	m.sessions()
	m.redis()
	m.proxies()
	m.listeners()
	m.identityHeaders()
	m.logs()
	m.remarks()
	m.General = general()
	m.Todo, m.Changes, m.Gone = once(m.Todo), once(m.Changes), once(m.Gone)
	return m
}

// unread lists what was not understood, first. A file that is named in one source and is another one itself has been read.
func (m *Migration) unread() {
	m.found.Unread = slices.DeleteFunc(m.found.Unread, func(path string) bool {
		return slices.ContainsFunc(m.Sources, func(source string) bool { return filepath.Base(source) == filepath.Base(path) })
	})
	for _, path := range m.found.Unread {
		m.todo("%s was not read: run this where it is, or name a copy of it (of the same name) beside the others", path)
	}
	for _, name := range m.found.Open {
		if o, _ := optionNamed(name); o.fate != mapped {
			continue
		}
		m.todo("%s: its value is not here but is referred to; put it in place of the reference, or write the setting yourself", name)
	}
	for _, name := range m.found.Unknown {
		if matters(name) {
			m.todo("%s is no option of oauth2-proxy 7.15, and a newer one's where it has started with it: look at what it does", name)
		} else {
			m.todo("%s is no option of oauth2-proxy, so it has had no effect, or is newer than 7.15", name)
		}
	}
	m.Gone = append(m.Gone, m.found.Remarks...)
}

// set writes a setting that comes from the options named.
func (m *Migration) set(name, value string, from ...string) {
	m.Settings = append(m.Settings, Setting{Name: name, Value: value, From: m.origin(from)})
}

// origin names the options that a setting comes from, as far as they are given.
func (m *Migration) origin(names []string) string {
	said := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, known := optionNamed(name)
		return known && !m.given(name)
	})
	if len(said) == 0 {
		return strings.Join(names, ", ") + ": the default of oauth2-proxy"
	}
	return strings.Join(m.spelled(said), ", ")
}

// fillIn writes a setting that its owner has to complete, and says why.
func (m *Migration) fillIn(name, example, why string) {
	m.Settings = append(m.Settings, Setting{Name: name, Value: example, From: "to fill in", Example: true})
	m.todo("%s: %s", name, why)
}

// spelled names options as the sources do.
func (m *Migration) spelled(names []string) []string {
	var all []string
	for _, name := range names {
		if v, ok := m.found.values[name]; ok && v.name != "" {
			name = v.name
		}
		all = append(all, name)
	}
	return all
}

func (m *Migration) todo(format string, args ...any) {
	m.Todo = append(m.Todo, fmt.Sprintf(format, args...))
}

func (m *Migration) change(format string, args ...any) {
	m.Changes = append(m.Changes, fmt.Sprintf(format, args...))
}

func (m *Migration) lose(format string, args ...any) {
	m.Gone = append(m.Gone, fmt.Sprintf(format, args...))
}

// given reports whether a source says anything about an option.
func (m *Migration) given(name string) bool {
	_, given := m.found.values[name]
	return given
}

// open reports an option whose value the sources only refer to.
func (m *Migration) open(name string) bool { return slices.Contains(m.found.Open, name) }

// list returns an option's values; none where it is not given.
func (m *Migration) list(name string) []string { return m.found.values[name].texts }

// text returns an option's value, its default where it is not given.
func (m *Migration) text(name string) string {
	if v, given := m.found.values[name]; given {
		return strings.Join(v.texts, ",")
	}
	o, _ := optionNamed(name)
	return o.fallback
}

// is returns an option that is true or false; one that is neither is listed, and its default holds.
func (m *Migration) is(name string) bool {
	text := m.text(name)
	value, err := strconv.ParseBool(text)
	if err != nil && text != "" {
		o, _ := optionNamed(name)
		m.todo("%s is neither true nor false", name)
		value = o.fallback == "true"
	}
	return value
}

// lasts returns an option that is a time span; oauth2-proxy takes a bare number for nanoseconds, and nobody means that.
func (m *Migration) lasts(name string) (span time.Duration, ok bool) {
	text := m.text(name)
	if text == "0" {
		return 0, true
	}
	span, err := time.ParseDuration(text)
	if err != nil {
		m.todo("%s is no time span such as 12h or 30s", name)
	}
	return span, err == nil
}
