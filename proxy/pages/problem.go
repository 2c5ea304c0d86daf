package pages

// Problem is one thing that is wrong with what [Options] name.
type Problem struct {
	Option string // the field's name
	Wrong  string // what is wrong, with the file and where it is known the line
	Mend   string // what to do about it, as an order
}

// Error returns one sentence: what is wrong, and the mend.
func (p *Problem) Error() string { return p.Wrong + "; " + p.Mend }
