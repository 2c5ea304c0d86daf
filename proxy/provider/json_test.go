package provider

import (
	"encoding/json"
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
	} {
		t.Run(name, func(t *testing.T) {
			if o, err := parseObject([]byte(text)); err == nil {
				t.Errorf("read as %v", o)
			}
		})
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

// What is read means the same to everybody: written again and read by encoding/json it is equal, and no name occurs twice.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,{"b":null}],"c":"\ud800"}`, `{"a":1,"A":2}`, `{"a":1,"\u0061":2}`, `{"a":1e400}`, `{} x`, "\xef\xbb\xbf{}"} {
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
	})
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
