package pages

// Kind says what a page is about. Its name is that of the template which may stand in for ours: denied.html.
type Kind string

// The kinds of pages.
const (
	SignOut       Kind = "sign-out"       // do you want to?
	SignedOut     Kind = "signed-out"     // nobody is signed in any more
	Denied        Kind = "denied"         // signed in, and not allowed; or closed to everybody
	LoginExpired  Kind = "login-expired"  // the way back from the provider came too late, or again
	LoginFailed   Kind = "login-failed"   // the provider refused, or its answer was no good
	LoginLoop     Kind = "login-loop"     // one login after the other
	ProviderDown  Kind = "provider-down"  // nobody can sign in now
	UpstreamDown  Kind = "upstream-down"  // the application does not answer, or not in time
	AmbiguousPath Kind = "ambiguous-path" // an address that servers would read differently
	UnknownHost   Kind = "unknown-host"   // a host of which doorward knows nothing, or at which nobody can sign in
	NotFound      Kind = "not-found"      // nothing is there
	Error         Kind = "error"          // everything else

	// These two lead on by themselves, and are always ours.
	SigningIn Kind = "signing-in"
	SignedIn  Kind = "signed-in"
)

// kinds are those for which templates may stand in.
func kinds() []Kind {
	return []Kind{SignOut, SignedOut, Denied, LoginExpired, LoginFailed, LoginLoop, ProviderDown, UpstreamDown, AmbiguousPath, UnknownHost,
		NotFound, Error}
}

// samples are pages of a kind with which templates are tried: one on which everything stands that can, and one with next to nothing.
func samples(k Kind) []Page {
	full := Page{
		Kind: k, Title: `A title with <b> & "quotation marks"`, RequestID: "SAMPLE2REQUEST3ID4SAMPLE5",
		Text:    []string{"What happened & why.", "What can be done about it."},
		Notes:   []string{"What to look at, for whoever runs doorward."},
		Details: []Detail{{"Rule", "/admin/"}, {"You are", "<alice>"}},
		Actions: []Action{{"Sign out", "/oauth2/sign_out?rd=%2F", true}, {"Go to the start page", "/", false}},
	}
	return []Page{full, {Kind: k, Title: "A title", RequestID: "ANOTHER2REQUEST3ID4"}}
}
