package main

// decision is what comes of a request.
type decision struct {
	rule string // its label; "none" where none is asked, as in the log
	fate fate
}

// fate says it in a word.
type fate string

const (
	allowed fate = "allowed"
	denied  fate = "denied"
	again   fate = "asked to sign in again"
	signIn  fate = "asked to sign in"
	refused fate = "refused for its form"
	nowhere fate = "without an upstream"
	ours    fate = "answered by doorward itself, whatever the rules say"
	untold  fate = "" // cannot be told
)

// passesRule tells what the rule of the path lets through.
func (f fate) passesRule() bool { return f == allowed || f == nowhere }
