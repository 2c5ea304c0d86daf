package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestJSONThatIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty": ``, "array": `[]`, "null": `null`, "text": `"x"`, "twice": `{"a":1,"a":1}`, "twice by an escape": `{"a":1,"\u0061":2}`,
		"twice inside": `{"x":{"a":1,"a":2}}`, "twice in an array": `{"x":[{"a":1,"a":2}]}`, "trailing": `{} {}`, "trailing letter": `{}x`,
		"BOM": "\xef\xbb\xbf{}", "UTF-8": "{\"a\":\"\xff\"}", "UTF-16": "\xff\xfe{\x00}\x00", "comment": `{/**/}`, "comma": `{"a":1,}`,
		"single quotes": `{'a':1}`, "NaN": `{"a":NaN}`, "cut": `{"a":`, "deep": `{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
		"very deep": strings.Repeat(`{"a":`, 20000), "leading zero": `{"a":01}`,
		"half a pair": `{"a":"\ud800"}`, "the other half": `{"a":"\udc00"}`, "halves apart": `{"a":"\ud83dx\ude00"}`, "halves turned around": `{"a":"\ude00\ud83d"}`,
		"half in a name": `{"a\uD800":1}`, "half before an escape": `{"a":"\ud83d\n"}`, "half at the end": `{"a":"\\\ud83d"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if o, err := parseObject([]byte(text)); err == nil {
				t.Errorf("read as %v", o)
			}
		})
	}
}

func TestEscapesThatAreRead(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":"\ud83d\ude00"}`: "😀", `{"a":"\\ud800"}`: `\ud800`, `{"a":"\\\\\u0041"}`: `\\A`, `{"a":"\ufffd\u0000\"\/"}`: "\ufffd\x00\"/", `{"a":"\uD7ff\ue000"}`: "\ud7ff\ue000",
	} {
		if o, err := parseObject([]byte(text)); err != nil || o["a"] != want {
			t.Errorf("%s is read as %q, %v", text, o["a"], err)
		}
	}
}

// A name in other letter case is refused at every step of a path, unless it is used itself.
func TestNamesInOtherLetterCase(t *testing.T) {
	for text, ok := range map[string]bool{
		`{"realm":{"roles":[]}}`: true, `{"realm":{"roles":[],"Roles":[]}}`: false, `{"realm":{"x":{"Roles":1}}}`: true, `{"REALM":{}}`: false,
		`{"realm":[{"Roles":1}]}`: true, `{"realm.roles":1}`: true, `{"Realm.Roles":1}`: false, `{"Sub":1}`: true, `{"sub":1}`: true, `{"SUB":1}`: false, `{"\u017fub":1}`: false,
	} {
		o, err := parseObject([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := o.exactly("realm.roles", "sub", "Sub"); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestNumbersKeepTheirDigits(t *testing.T) {
	o, err := parseObject([]byte(` {"id":12345678901234567890} `))
	if err != nil || o["id"] != json.Number("12345678901234567890") {
		t.Errorf("got %v, %v", o, err)
	}
}

func TestDates(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1.5": 1, "4102444800": 4102444800, "1e9": 1e9, "9999999999": 9999999999} {
		o := object{"exp": json.Number(text)}
		if got, err := o.date("exp"); err != nil || got.Unix() != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"-1", "1e300", "1e999", "9e18", "253402300800"} {
		o := object{"exp": json.Number(text)}
		if got, err := o.date("exp"); err == nil {
			t.Errorf("%s is read as %v", text, got.Format(time.RFC3339))
		}
	}
}

// What is read means the same to everybody: encoding/json reads the same, no name occurs twice, no character was replaced, and a name
// that is used occurs in no other letter case.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,{"b":null}],"c":"\ud800"}`, `{"a":1,"A":2}`, `{"a":1,"\u0061":2}`, `{"a":1e400}`, `{} x`, "\xef\xbb\xbf{}",
		`{"sub":"a","SUB":"b"}`, `{"\u017fub":1}`, `{"realm":{"roles":1,"ROLES":2}}`, `{"a":"\ud83d\ude00","b":"\udc00\ud800"}`, `{"\ud800":1,"\ud801":2}`, `{"a":"\\u\u005cud800"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := parseObject(data)
		if err != nil {
			return
		}
		d := json.NewDecoder(strings.NewReader(string(data)))
		d.UseNumber()
		var other map[string]any
		if err := d.Decode(&other); err != nil || !reflect.DeepEqual(map[string]any(o), other) {
			t.Fatalf("%q is %v to us and %v to encoding/json (%v)", data, o, other, err)
		}
		if names := countNames(data); names != countMembers(map[string]any(o)) {
			t.Errorf("%q has %d names, of which %d are left", data, names, countMembers(map[string]any(o)))
		}
		if replaced := strings.Count(fmt.Sprint(o), "\ufffd"); replaced > bytes.Count(data, []byte("\ufffd"))+bytes.Count(bytes.ToLower(data), []byte(`\ufffd`)) {
			t.Errorf("in %q characters were replaced", data)
		}
		if o.exactly("sub", "realm.roles") != nil {
			return
		}
		for _, path := range [][]string{{"sub"}, {"realm"}, {"realm.roles"}, {"realm", "roles"}} {
			if found := spellings(other, path); found > 1 {
				t.Errorf("%q has %d members that may be %v", data, found, path)
			}
		}
	})
}

// spellings counts the members that somebody who folds letter case finds at a path.
func spellings(members map[string]any, path []string) (n int) {
	for name, value := range members {
		if !strings.EqualFold(name, path[0]) {
			continue
		}
		if inner, ok := value.(map[string]any); len(path) > 1 && ok {
			n += spellings(inner, path[1:])
		} else if len(path) == 1 {
			n++
		}
	}
	return n
}

// countNames counts the member names in a text by counting its colons outside strings.
func countNames(data []byte) (n int) {
	quoted := false
	for i := 0; i < len(data); i++ {
		switch {
		case quoted && data[i] == '\\':
			i++
		case data[i] == '"':
			quoted = !quoted
		case data[i] == ':' && !quoted:
			n++
		}
	}
	return n
}

func countMembers(value any) (n int) {
	switch value := value.(type) {
	case map[string]any:
		for _, inner := range value {
			n += 1 + countMembers(inner)
		}
	case []any:
		for _, inner := range value {
			n += countMembers(inner)
		}
	}
	return n
}
