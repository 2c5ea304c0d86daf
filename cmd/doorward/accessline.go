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
	Time, Method, Host, Path, User string
	ClientIP                       string `json:"client_ip"`
	RequestID                      string `json:"request_id"`
	Rule, Outcome, Reason          string
	Status                         int
}

// isAccessLine tells a line of either format from a URL and a path.
func isAccessLine(text string) bool {
	return regexp.MustCompile(`^\s*(\{|[a-z_]+=)`).MatchString(text) || lineStart().MatchString(text)
}

// lineStart is where a line begins behind what others put before it: docker compose a name, kubectl a time.
func lineStart() *regexp.Regexp { return regexp.MustCompile(`\{"time":|\btime=`) }

// parseAccessLine reads a line as LOG_FORMAT json or text writes it.
func parseAccessLine(text string) (line *accessLine, err error) {
	text = strings.TrimSpace(text)
	if begin := lineStart().FindStringIndex(text); begin != nil {
		text = text[begin[0]:]
	}
	line = new(accessLine)
	if strings.HasPrefix(text, "{") {
		err = json.Unmarshal([]byte(text), line)
	} else {
		line, err = parseTextLine(text)
	}
	switch {
	case err != nil:
		return nil, err
	case line.Method == "" || line.Path == "":
		return nil, errNoRequest
	case !strings.HasPrefix(line.Path, "/"):
		return nil, errors.New("its request has no path: it was refused before one was read")
	case strings.HasSuffix(line.Path, "…"):
		return nil, errors.New("its path is longer than the log keeps, and rules are about the whole of it")
	}
	return line, nil
}

var errNoRequest = errors.New("it has no method or path")

// parseTextLine reads key=value pairs separated by blanks, a value in quotation
// marks where it needs them.
func parseTextLine(text string) (*accessLine, error) {
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
				return nil, errors.New("it has a quotation mark that is never closed")
			}
		}
		fields[key] = value
	}
	status, _ := strconv.Atoi(fields["status"]) // events other than request have none
	return &accessLine{
		Time: fields["time"], Method: fields["method"], Host: fields["host"], Path: fields["path"],
		User: fields["user"], ClientIP: fields["client_ip"], RequestID: fields["request_id"],
		Rule: fields["rule"], Outcome: fields["outcome"], Reason: fields["reason"], Status: status,
	}, nil
}
