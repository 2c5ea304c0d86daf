package migrate

// option is one of oauth2-proxy's options, and what becomes of it.
type option struct {
	// name is that of the TOML file: the flag with underscores, plural where the flag can be repeated. In capitals it is the variable's.
	name string
	// flag is the flag's name where it is not the option's with hyphens.
	flag string
	kind kind
	// fallback is its default.
	fallback string
	fate     fate
	// says is, of an option that is set: the settings that it becomes, what changes, or what to do instead.
	says string
}

// kind is how an option's text is read.
type kind int

const (
	text kind = iota
	list
	boolean
	duration
	number
)

// fate is what becomes of an option.
type fate int

const (
	// mapped: it becomes settings, which the code writes.
	mapped fate = iota
	// changed: doorward does it, but otherwise.
	changed
	// gone: it has no equal.
	gone
	// needless: doorward always does so, or has no use of it.
	needless
	// meta: it is for the command line alone.
	meta
)

func (o option) list() bool { return o.kind == list }

// spelled is the flag's name.
func (o option) spelled() string {
	if o.flag != "" {
		return o.flag
	}
	return hyphens(o.name)
}

// optionNamed finds an option by its name in the TOML file.
func optionNamed(name string) (option, bool) {
	for _, o := range options() {
		if o.name == name {
			return o, true
		}
	}
	return option{}, false
}

// optionOfFlag finds an option by its flag, without the hyphens before it.
func optionOfFlag(flag string) (option, bool) {
	for _, o := range options() {
		if o.spelled() == flag {
			return o, true
		}
	}
	return option{}, false
}
