package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON that decides who somebody is has one reading only. encoding/json takes the last of two equal members and finds "SUB"
// when asked for "sub"; another reader takes the first. So here:
//
//   - a member that occurs twice in an object is an error, at any depth;
//   - names are exact, and a member that differs from one we use only by letter case is an error;
//   - one value, valid UTF-8, no byte order mark, nothing after it, nested no deeper than maxDepth;
//   - no half of a surrogate pair (RFC 7493 2.1): Go replaces it, and two names would become one;
//   - a string is a string and a number a number; numbers keep their digits (json.Number).

const maxDepth = 32

// object is a JSON object that was read by these rules. Its values are string, json.Number, bool, nil, []any, map[string]any.
type object map[string]any

// parseObject reads one JSON object.
func parseObject(data []byte) (object, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("the JSON is not valid UTF-8")
	}
	if !json.Valid(data) { // also refuses trailing data and a byte order mark
		return nil, errors.New("not JSON")
	}
	if halfSurrogate(data) {
		return nil, errors.New("the JSON contains half a surrogate pair")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	value, err := readValue(d, 0)
	if err != nil {
		return nil, err
	}
	members, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the JSON is %s, not an object", kindOf(value))
	}
	return members, nil
}

// halfSurrogate looks through valid JSON for an escape that is half a character (RFC 8259 8.2).
func halfSurrogate(data []byte) bool {
	for {
		at := bytes.IndexByte(data, '\\')
		if at < 0 {
			return false
		}
		first := escaped(data[at:])
		if first < 0 {
			data = data[at+2:]
			continue
		}
		data = data[at+6:]
		if !utf16.IsSurrogate(first) {
			continue
		}
		if utf16.DecodeRune(first, escaped(data)) == utf8.RuneError {
			return true
		}
		data = data[6:]
	}
}

// escaped is the code unit of the escape \uXXXX with which valid JSON goes on; negative when it goes on otherwise.
func escaped(data []byte) rune {
	if !bytes.HasPrefix(data, []byte(`\u`)) {
		return -1
	}
	unit, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(unit)
}

func readValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("the JSON is nested deeper than %d levels", maxDepth)
	}
	token, err := d.Token()
	if err != nil {
		return nil, errors.New("not JSON")
	}
	switch token {
	case json.Delim('{'):
		return readMembers(d, depth)
	case json.Delim('['):
		return readElements(d, depth)
	}
	return token, nil
}

func readMembers(d *json.Decoder, depth int) (map[string]any, error) {
	members := map[string]any{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, errors.New("not JSON")
		}
		name, _ := token.(string) // in an object that json.Valid accepted, every first token is a name
		if _, twice := members[name]; twice {
			return nil, fmt.Errorf("the JSON member %s occurs twice", quoted(name))
		}
		if members[name], err = readValue(d, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := d.Token() // the closing brace
	return members, err
}

func readElements(d *json.Decoder, depth int) ([]any, error) {
	elements := []any{}
	for d.More() {
		value, err := readValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		elements = append(elements, value)
	}
	_, err := d.Token() // the closing bracket
	return elements, err
}

// kindOf names a value's JSON type in an error.
func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "a boolean"
	case []any:
		return "an array"
	}
	return "an object"
}

// exactly refuses members whose name differs from one of the names only by letter case: readers that fold case, of which
// there are many, would take one for the other. A dotted name is a path as well, of which each step counts.
func (o object) exactly(names ...string) error {
	for _, path := range names {
		first, rest, dotted := strings.Cut(path, ".")
		if !dotted {
			continue
		}
		names = slices.Concat(names, []string{first})
		if inner, ok := o[first].(map[string]any); ok {
			if err := object(inner).exactly(rest); err != nil {
				return err
			}
		}
	}
	for member := range o {
		if err := written(member, names); err != nil {
			return err
		}
	}
	return nil
}

// written refuses a name that is none of the names, but would be one in other letter case.
func written(member string, names []string) error {
	if slices.Contains(names, member) {
		return nil
	}
	for _, name := range names {
		if strings.EqualFold(member, name) {
			return fmt.Errorf("the member %s is written unlike %s", quoted(member), quoted(name))
		}
	}
	return nil
}

// has tells whether there is such a member, be it null.
func (o object) has(name string) bool {
	_, ok := o[name]
	return ok
}

// text is a string member, "" when it is absent.
func (o object) text(name string) (string, error) {
	value, ok := o[name]
	if !ok {
		return "", nil
	}
	text, ok := value.(string)
	if !ok {
		return "", fmt.Errorf("%s is %s, not a string", name, kindOf(value))
	}
	return text, nil
}

// needText is a string member that must be there and not be empty.
func (o object) needText(name string) (string, error) {
	if !o.has(name) {
		return "", fmt.Errorf("%s is missing", name)
	}
	text, err := o.text(name)
	if err == nil && text == "" {
		return "", fmt.Errorf("%s is empty", name)
	}
	return text, err
}

// texts is a member that is an array of strings, nil when it is absent.
func (o object) texts(name string) ([]string, error) {
	value, ok := o[name]
	if !ok {
		return nil, nil
	}
	elements, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("%s is %s, not an array of strings", name, kindOf(value))
	}
	texts := make([]string, 0, len(elements))
	for _, element := range elements {
		text, ok := element.(string)
		if !ok {
			return nil, fmt.Errorf("%s contains %s", name, kindOf(element))
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// flag is a boolean member, false when it is absent.
func (o object) flag(name string) (bool, error) {
	value, ok := o[name]
	if !ok {
		return false, nil
	}
	flag, ok := value.(bool)
	if !ok {
		return false, fmt.Errorf("%s is %s, not a boolean", name, kindOf(value))
	}
	return flag, nil
}

// audience is the member aud, a string or an array of strings (RFC 7519 4.1.3).
func (o object) audience() ([]string, error) {
	if !o.has("aud") {
		return nil, errors.New("aud is missing")
	}
	if one, ok := o["aud"].(string); ok {
		return []string{one}, nil
	}
	all, err := o.texts("aud")
	if err == nil && len(all) == 0 {
		return nil, errors.New("aud is empty")
	}
	return all, err
}

// number is a member that is a number from 0 to the year 9999 as a date: nothing that could wrap a clock.
func (o object) number(name string) (float64, error) {
	digits, ok := o[name].(json.Number)
	if !ok {
		return 0, fmt.Errorf("%s is %s, not a number", name, kindOf(o[name]))
	}
	const latest = 253402300799
	value, err := strconv.ParseFloat(digits.String(), 64)
	if err != nil || value < 0 || value > latest {
		return 0, fmt.Errorf("%s is a number out of range", name)
	}
	return value, nil
}

// date is a member that is a NumericDate (RFC 7519 2): seconds since 1970, a fraction allowed. Absent, it is the zero time.
func (o object) date(name string) (time.Time, error) {
	if !o.has(name) {
		return time.Time{}, nil
	}
	value, err := o.number(name)
	if err != nil {
		return time.Time{}, err
	}
	whole, fraction := math.Modf(value)
	return time.Unix(int64(whole), int64(fraction*1e9)), nil
}

// lookup finds a claim by its exact name, else by a dotted path through objects. A claim that is null counts as absent.
func (o object) lookup(path string) (any, bool) {
	if value := o[path]; value != nil {
		return value, true
	}
	first, rest, dotted := strings.Cut(path, ".")
	if !dotted {
		return nil, false
	}
	inner, ok := o[first].(map[string]any)
	if !ok {
		return nil, false
	}
	return object(inner).lookup(rest)
}
