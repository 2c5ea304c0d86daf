package access

import (
	"net/http"
	"slices"
	"strings"
)

// methods is the sorted set of methods that a pattern covers; nil is all of them. HEAD is in it where GET is.
type methods []string

func (m methods) cover(method string) bool {
	return m == nil || slices.Contains(m, method)
}

// within says whether every method of m is one of other, too.
func (m methods) within(other methods) bool {
	if m == nil || other == nil {
		return other == nil
	}
	return !slices.ContainsFunc(m, func(method string) bool { return !other.cover(method) })
}

func (m methods) meet(other methods) bool {
	return m == nil || other == nil || slices.ContainsFunc(m, other.cover)
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// parseMethods reads the methods of a pattern: GET,HEAD.
func parseMethods(written string) (methods, *Problem) {
	var set methods
	for method := range strings.SplitSeq(written, ",") {
		switch upper := strings.ToUpper(method); {
		case method == "":
			return nil, problemf("write the methods as in GET,POST", "has an empty item among its methods")
		case strings.Trim(upper, letters+"-_") != "", !strings.ContainsAny(upper, letters), upper != method && !usual(upper):
			return nil, problemf("begin the path with a slash, and write methods as in GET,POST", "begins with %q, which is neither a method nor a pattern", written)
		case upper != method:
			return nil, problemf("write "+strings.ToUpper(written), "has a method in lower case, and methods are compared exactly")
		case slices.Contains(set, method):
			return nil, problemf("write it once", "names the method %s twice", method)
		}
		set = append(set, method)
	}
	if set.cover(http.MethodGet) && !set.cover(http.MethodHead) {
		set = append(set, http.MethodHead)
	}
	slices.Sort(set)
	return set, nil
}

// usual says whether a method is one that is meant where it is written in lower case (RFC 9110 9.3, RFC 5789). Any other word is a path
// without its slash, rather.
func usual(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
		http.MethodConnect, http.MethodTrace:
		return true
	}
	return false
}
