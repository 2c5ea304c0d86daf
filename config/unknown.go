package config

import "strings"

// unknownVariables reports the variables with the prefix that no setting bears.
func unknownVariables(environment []string) Problems {
	known := make(map[string]bool)
	for _, s := range settings() {
		known[s.name], known[s.name+fileSuffix] = true, true
	}
	var problems Problems
	for _, entry := range environment {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, Prefix+"_") && !known[name] && !fromKubernetes(name) {
			problems = append(problems, Problem{
				Variable: name,
				Wrong:    "no setting bears this name",
				Mend:     mendUnknown(name),
			})
		}
	}
	return problems
}

func mendUnknown(name string) string {
	if best := nearest(name); best != "" {
		return "the nearest is " + best + "; `doorward config` lists all"
	}
	return "take it out; `doorward config` lists every setting"
}

// nearest returns the known variable that differs in the fewest letters from
// one that is misspelt or has a word too few or too many; empty where none is near.
func nearest(name string) string {
	name = strings.ToUpper(name)
	best, fewest := "", len(name)
	for _, s := range settings() {
		for _, known := range []string{s.name, s.name + fileSuffix} {
			if d := distance(name, known); d < fewest && near(name, known, d) {
				best, fewest = known, d
			}
		}
	}
	return best
}

// near reports names that differ in a quarter of the letters at most, by
// words at the end, or by words too many at the beginning.
func near(name, known string, distance int) bool {
	letters := len(name) - len(Prefix+"_")
	return distance <= max(2, letters/4) ||
		letters > 0 && (strings.HasPrefix(known, name+"_") || strings.HasPrefix(name, known+"_") || strings.HasSuffix(name, strings.TrimPrefix(known, Prefix)))
}

// distance counts the letters to insert, drop or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
