package migrate

// Regular expressions of skip_auth_routes become patterns of rules. The one rule kept here: a pattern never covers a path that the
// expression does not match. Where an expression cannot be said whole, what is left out needs a login. (Paths aside that oauth2-proxy
// never takes for public, whatever the expression: with //, dot segments, ; \ or control characters. Here their readings decide.)

import (
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"doorward/proxy/access"
)

// mostWays bounds what an expression with many alternatives is taken apart into.
const mostWays = 64

// said is what patterns can say of an expression.
type said struct {
	patterns []string
	// asked are patterns that have to keep the general rule: those above cover them, the expression does not.
	asked []string
	// exact says that the expression matches no other path.
	exact bool

	given []string // what another way of the expression gives back of asked
}

// sayExpression turns an expression, which matches anywhere in a path unless it is anchored, into patterns.
func sayExpression(text string) (said, error) {
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return said{}, err
	}
	ways, whole := takeApart(re)
	s := said{exact: whole}
	for _, way := range ways {
		s.add(way)
	}
	slices.Sort(s.patterns)
	s.patterns = slices.Compact(s.patterns)
	slices.Sort(s.asked)
	s.asked = slices.DeleteFunc(slices.Compact(s.asked), func(p string) bool { return slices.Contains(s.given, p) })
	return s, nil
}

// piece is a part of one way through an expression.
type piece struct {
	kind pieceKind
	text string // of a literal
}

type pieceKind int

const (
	literal   pieceKind = iota
	segment             // [^/]+
	anything            // .*
	something           // .+
	begin               // ^
	end                 // $
)

// takeApart lists the ways through an expression, one for each alternative. whole is false where some are left out: what is
// listed is always a part of what the expression matches.
func takeApart(re *syntax.Regexp) (ways [][]piece, whole bool) {
	switch re.Op {
	case syntax.OpNoMatch:
		return nil, true
	case syntax.OpEmptyMatch:
		return [][]piece{nil}, true
	case syntax.OpBeginText:
		return one(piece{kind: begin}), true
	case syntax.OpEndText:
		return one(piece{kind: end}), true
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 { // (?i): the plain spelling is one of those that match
			return one(piece{text: strings.ToLower(string(re.Rune))}), false
		}
		return one(piece{text: string(re.Rune)}), true
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL: // most often a dot whose backslash was forgotten
		return one(piece{text: "."}), false
	case syntax.OpCharClass:
		return eachOf(re.Rune)
	case syntax.OpCapture:
		return takeApart(re.Sub[0])
	case syntax.OpQuest:
		ways, whole = takeApart(re.Sub[0])
		return append([][]piece{nil}, ways...), whole
	case syntax.OpStar, syntax.OpPlus:
		return repeated(re)
	case syntax.OpAlternate:
		return alternatives(re.Sub)
	case syntax.OpConcat:
		return inTurn(re.Sub)
	}
	return nil, false
}

func one(p piece) [][]piece { return [][]piece{{p}} }

// eachOf lists the characters of a small class; the runes are pairs of first and last.
func eachOf(runes []rune) (ways [][]piece, whole bool) {
	const most = 8
	for i := 0; i < len(runes); i += 2 {
		if len(ways)+int(runes[i+1]-runes[i]) >= most {
			return nil, false
		}
		for r := runes[i]; r <= runes[i+1]; r++ {
			ways = append(ways, []piece{{text: string(r)}})
		}
	}
	return ways, true
}

// repeated says what * and + say of "any character" and of "any but a slash"; of everything else it takes the least.
func repeated(re *syntax.Regexp) (ways [][]piece, whole bool) {
	sub, star := re.Sub[0], re.Op == syntax.OpStar
	kind := something
	switch {
	case sub.Op == syntax.OpAnyChar || sub.Op == syntax.OpAnyCharNotNL:
		if star {
			kind = anything
		}
		return one(piece{kind: kind}), true
	case notSlash(sub) && star:
		return [][]piece{nil, {{kind: segment}}}, true
	case notSlash(sub):
		return one(piece{kind: segment}), true
	case star:
		return [][]piece{nil}, false
	}
	ways, _ = takeApart(sub)
	return ways, false
}

// notSlash reports [^/].
func notSlash(re *syntax.Regexp) bool {
	return re.Op == syntax.OpCharClass && slices.Equal(re.Rune, []rune{0, '/' - 1, '/' + 1, '\U0010FFFF'})
}

func alternatives(subs []*syntax.Regexp) (ways [][]piece, whole bool) {
	whole = true
	for _, sub := range subs {
		more, all := takeApart(sub)
		ways, whole = append(ways, more...), whole && all
	}
	if len(ways) > mostWays {
		return ways[:mostWays], false
	}
	return ways, whole
}

func inTurn(subs []*syntax.Regexp) (ways [][]piece, whole bool) {
	ways, whole = [][]piece{nil}, true
	for _, sub := range subs {
		more, all := takeApart(sub)
		whole = whole && all
		var longer [][]piece
		for _, before := range ways {
			for _, after := range more {
				longer = append(longer, slices.Concat(before, after))
			}
		}
		if len(longer) > mostWays {
			longer, whole = longer[:mostWays], false
		}
		ways = longer
	}
	return ways, whole
}

// add says one way by a pattern, where it can be said.
func (s *said) add(way []piece) {
	w, possible := newWay(way)
	if !possible {
		return
	}
	path, ok := spell(w.body)
	switch {
	case w.more > 1:
		s.exact = false
	case w.everything() || ok && path == "/" && w.open && w.more == 0 && !w.anchored:
		s.patterns = append(s.patterns, "/")
	case len(w.body) == 0 || ok && path[0] != '/' && w.anchored: // no path is empty, none begins otherwise
	case !ok || path[0] != '/':
		s.exact = false
	default:
		s.exact = s.exact && w.anchored
		s.addPath(path, w)
	}
}

// way is one way through an expression, its ends taken off.
type way struct {
	body     []piece
	anchored bool // the path begins with it
	open     bool // whatever may follow
	more     int  // at least so many characters follow
}

// newWay takes the ends off; a way that no path can go is not possible.
func newWay(pieces []piece) (w way, possible bool) {
	for len(pieces) > 0 && (pieces[0].kind == begin || pieces[0].kind == anything) {
		w.anchored = pieces[0].kind == begin // the last one decides: with .* before it, ^ still is the beginning
		pieces = pieces[1:]
	}
	w.body, w.open = pieces, true
	if i := slices.IndexFunc(pieces, func(p piece) bool { return p.kind == end }); i >= 0 {
		w.body, w.open = pieces[:i], false
		if slices.ContainsFunc(pieces[i:], func(p piece) bool { return p.kind != end && p.kind != anything }) {
			return w, false
		}
	}
	for n := len(w.body); n > 0 && (w.body[n-1].kind == anything || w.body[n-1].kind == something); n-- {
		if w.body[n-1].kind == something {
			w.more++
		}
		w.open, w.body = true, w.body[:n-1]
	}
	return w, true
}

// everything reports a way that every path goes; none is empty.
func (w way) everything() bool {
	return len(w.body) == 0 && (w.open || !w.anchored)
}

// spell writes literals and whole segments as a pattern's path.
func spell(body []piece) (path string, ok bool) {
	for i, p := range body {
		switch {
		case p.kind == literal && plainPath(p.text):
			path += p.text
		case p.kind == segment && strings.HasSuffix(path, "/") && (i+1 == len(body) || strings.HasPrefix(body[i+1].text, "/")):
			path += "{s" + strconv.Itoa(i) + "}"
		default:
			return "", false
		}
	}
	return path, path != ""
}

// plainPath reports characters that mean themselves in a pattern.
func plainPath(text string) bool {
	return strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789-._~/@+:") == ""
}

// addPath says a path and what may follow it. A pattern that ends in a slash covers the path without it, too.
func (s *said) addPath(path string, w way) {
	below, bare := strings.HasSuffix(path, "/"), strings.TrimSuffix(path, "/")
	switch {
	case !w.open && below:
		s.say(path + "{$}")
	case !w.open:
		s.say(path)
	case below && w.more > 0:
		s.say(path, bare, path+"{$}")
	case below:
		s.say(path, bare)
	case w.more > 0:
		s.exact = false
		s.say(path+"/", path)
	default:
		s.exact = s.exact && strings.HasSuffix(path, "}") // /metrics also begins /metrics-of-yesterday
		s.say(path + "/")
	}
}

// say adds a pattern that the rules can read, and those of its paths that the expression does not match.
func (s *said) say(pattern string, asked ...string) {
	if _, err := access.Compile(pattern+" public", nil); err != nil {
		s.exact = false
		return
	}
	s.patterns = append(s.patterns, pattern)
	for _, covered := range []string{pattern, strings.TrimSuffix(pattern, "/"), pattern + "{$}"} {
		if !slices.Contains(asked, covered) {
			s.given = append(s.given, covered)
		}
	}
	s.asked = append(s.asked, slices.DeleteFunc(asked, func(p string) bool { return p == "" })...)
}

// onePath is the path that an asked pattern stands for, where it is one.
func onePath(pattern string) (path string, ok bool) {
	path = strings.TrimSuffix(pattern, "{$}")
	return path, !strings.Contains(path, "{")
}
