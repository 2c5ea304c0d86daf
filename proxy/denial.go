package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"doorward/proxy/access"
)

// People who may not.

func unauthenticated() *failure {
	return &failure{status: http.StatusUnauthorized, code: "unauthenticated", title: "Signing in is needed",
		text:   []string{"There is no valid session. Sign in at login_url with a browser."},
		header: http.Header{"Www-Authenticate": {`Bearer realm="doorward"`}}}
}

// formLost is for people who posted a form: it is not sent again by itself. Where an upstream was asked already, their session ended while it
// worked, and nobody knows what came of it.
func formLost(f *failure, returnTo string, asked bool) *failure {
	f.person = true
	f.text = []string{"You are not signed in, or not any more. Nothing of what you sent was passed on.",
		"To keep what you wrote, sign in in another tab, go back in this one, and send it again."}
	if asked {
		f.text = []string{"Your session ended before the application had answered. It may have got what you sent.",
			"Sign in, and look there before you send it again."}
	}
	f.actions = []action{{Label: "Sign in", Address: "start" + startQuery(returnTo, f.asks)}}
	return f
}

// denied names the rule and what it asks for, so that people know whom to ask for what.
func denied(route *access.Route, refusal *access.Refusal, who *identity) *failure {
	f := &failure{status: http.StatusForbidden, code: "denied", reason: refusal.Reason, event: "denied",
		title:   "You may not go here",
		details: []detail{{"Rule", route.Rule()}}, // as log and metrics have it
		cause:   fmt.Errorf("rule %q asks for %s", refusal.Rule, refusal.Asks)}
	if route.Access() == access.Deny {
		f.text = []string{"Nobody is let through here."}
		if refusal.Reason == "no-rule" {
			f.text = []string{"No rule covers this address, and what no rule covers is closed."}
			f.cause = errors.New("no rule covers it")
		}
		f.actions = []action{toStart()}
		return f
	}
	if refusal.Rule != route.Rule() { // one of two that must both hold, or that of the server in front
		f.details = append(f.details, detail{"Refused by", refusal.Rule})
	}
	f.details = append(f.details, detail{"It asks for", refusal.Asks}, detail{"You are", who.session.User})
	f.text = []string{"You are signed in, but the rule for this page asks for something that you do not have.",
		"If you should have it, send the lines below, with the request id, to whoever runs this application."}
	if refusal.Conflict {
		f.text = append(f.text, "Several rules hold for this page, and each wants another way of signing in, so that no login is right for all of them.")
		f.notes = append(f.notes, "See acr: in DOORWARD_ACCESS_RULES.")
	}
	f.actions = []action{toStart(), {Label: "Sign in as somebody else", Address: "sign_out"}}
	return f
}

// aboutGroups says why somebody whom a rule asks for a group may be in none, and how that is mended.
func (f *failure) aboutGroups(known knownGroups, who *identity) {
	switch {
	case len(known.taken) > 0:
		f.reason = "group_name_taken"
		f.cause = fmt.Errorf("%w, and the provider has a group of its own by the name %q, which DOORWARD_GROUP_ALIASES gives to another", f.cause, known.taken[0])
		f.text = append(f.text, "The provider has a group whose own name is one that doorward's settings give to another group, and you are in it. "+
			"It counts as neither.")
		f.notes = append(f.notes, "Choose other names: see DOORWARD_GROUP_ALIASES.")
	case who.bearer && who.session.GroupsUnknown:
		f.reason = "groups_left_out"
		f.cause = fmt.Errorf("%w, and the access token names no groups: let the provider put them (DOORWARD_GROUPS_CLAIM) into those of this API; if they are too many, %s",
			f.cause, mendForTooMany)
	case who.session.GroupsUnknown:
		f.reason = "groups_left_out"
		f.cause = fmt.Errorf("%w, and the provider left the groups out; %s", f.cause, mendForTooMany)
		f.text = append(f.text, "The rule asks for a group, and the provider left yours out: you are in too many for its tokens, or it keeps them at its "+
			"userinfo, which refuses doorward's access token.")
		f.notes = append(f.notes, strings.ToUpper(mendForTooMany[:1])+mendForTooMany[1:]+". Where it is its userinfo that refuses, the log says userinfo_refused.")
	default:
		f.cause = fmt.Errorf("%w, and the provider sent no groups: see DOORWARD_SCOPES and DOORWARD_GROUPS_CLAIM", f.cause)
		f.text = append(f.text, "The rule asks for a group, and the provider sent no groups for you. Either you are in none, or it was not asked for them.")
		f.notes = append(f.notes, "Does the provider want a scope for groups (DOORWARD_SCOPES), or call them otherwise (DOORWARD_GROUPS_CLAIM)? "+
			"doorward check --live asks it.")
	}
}

// mendForTooMany is what whoever runs the provider can do.
const mendForTooMany = "let the provider put into its tokens only the groups that this application needs (Entra ID: \"Groups assigned to the " +
	"application\" in the groups claim, or app roles, with DOORWARD_GROUPS_CLAIM=roles)"

// tooOldAlready is a refusal by a rule whose max-age was over as soon as the login was through.
func tooOldAlready(refused *failure, page string) *failure {
	refused.text = []string{"You signed in just now, and for this page that is too long ago already. Either its rule allows less time than " +
		"signing in takes, or the clocks of doorward and the provider differ.",
		"If it happens again, send the lines below, with the request id, to whoever runs this application."}
	refused.actions = append([]action{{Label: "Try again", Address: page}}, refused.actions...)
	return refused
}

// loginInsufficient tells programs, and people who posted a form, that another login is needed (RFC 9470 3).
func loginInsufficient(asks access.StepUp) *failure {
	f := &failure{status: http.StatusUnauthorized, code: insufficient, event: "denied", title: "Signing in again is needed",
		text: []string{"The login was made in another way, or longer ago, than is asked for here.", "Nothing of what was sent was passed on."},
		asks: asks}
	if len(asks.ACR) > 0 {
		f.details = append(f.details, detail{"ACR values", acrText(asks)})
	}
	if asks.MaxAge != nil {
		f.details = append(f.details, detail{"Max age", maxAgeText(asks)})
	}
	f.header = http.Header{"Www-Authenticate": {writeChallenge(asks, f.description())}}
	return f
}

// otherSite is a request that a page of another site may have made the browser send.
func otherSite(text string, cause error) *failure {
	return &failure{status: http.StatusForbidden, code: "cross_site", event: "denied", reason: "cross_site",
		title: "Another site asked for this", text: []string{text}, cause: cause}
}

func nobodyToSignOut() *failure {
	return &failure{status: http.StatusForbidden, code: "unauthenticated", title: "Nobody is signed in here",
		text:    []string{"So it is not known whose sessions should end, and nothing was done. Sign in, and then sign out everywhere."},
		actions: []action{{Label: "Sign in", Address: "start"}}}
}
