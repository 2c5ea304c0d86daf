package main

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// accessLine is what explain needs of a line of the access log.
type accessLine struct {
	Method, Host, Path, User string
	ClientIP                 string `json:"client_ip"`
}

// isAccessLine tells a line of either format from a URL and a path.
func isAccessLine(text string) bool {
	return regexp.MustCompile(`^\s*(\{|[a-z_]+=)`).MatchString(text)
}

// parseAccessLine reads a line as LOG_FORMAT json or text writes it.
func parseAccessLine(text string) (line accessLine, err error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "{") {
		err = json.Unmarshal([]byte(text), &line)
	} else {
		line, err = parseTextLine(text)
	}
	if err == nil && (line.Method == "" || line.Path == "") {
		err = errors.New("it has no method or path")
	}
	return line, err
}

// parseTextLine reads key=value pairs between blanks, a value in quotation
// marks where it needs them.
func parseTextLine(text string) (accessLine, error) {
	fields := make(map[string]string)
	for text != "" {
		key, rest, _ := strings.Cut(text, "=")
		value, err := strconv.QuotedPrefix(rest)
		if err != nil {
			value, _, _ = strings.Cut(rest, " ")
		}
		text = strings.TrimLeft(rest[len(value):], " ")
		if strings.HasPrefix(value, `"`) {
			if value, err = strconv.Unquote(value); err != nil {
				return accessLine{}, errors.New("it has a quotation mark that is never closed")
			}
		}
		fields[key] = value
	}
	return accessLine{
		Method: fields["method"], Host: fields["host"], Path: fields["path"],
		User: fields["user"], ClientIP: fields["client_ip"],
	}, nil
}
