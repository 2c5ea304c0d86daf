package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"doorward/config"
)

// report is what `check` found, as --json prints it. Problems and notes are among the findings, too.
type report struct {
	OK       bool            `json:"ok"` // doorward would start
	Problems config.Problems `json:"problems"`
	Register register        `json:"register"`
	Front    []string        `json:"front,omitempty"` // what the server in front has to do
	Notes    []string        `json:"notes"`
	Findings []finding       `json:"findings"`

	live []finding // those that were asked for
}

// register is what the provider has to know of the client.
type register struct {
	RedirectURIs           []string `json:"redirect_uris"`
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris"`
	BackChannelLogoutURI   string   `json:"backchannel_logout_uri,omitempty"`
	FrontChannelLogoutURI  string   `json:"frontchannel_logout_uri,omitempty"`
	// ClientKey is the public half of the client's key, a JWK.
	ClientKey json.RawMessage `json:"client_key,omitempty"`
}

// check reports on the configuration. Only what refuses the start fails it:
// neither notes nor, unless --strict asks for that, a provider that is down do.
func check(ctx context.Context, args []string, out, errOut io.Writer) int {
	flags := newFlags("check", errOut)
	live := flags.Bool("live", false, "also ask the provider, Redis and the upstreams; takes 12 seconds at most")
	strict := flags.Bool("strict", false, "like --live, and the exit status is 1 when anything that was asked failed, too")
	asJSON := flags.Bool("json", false, "print JSON")
	if status, ok := flags.parse(args, 0); !ok {
		return status
	}
	c, err := config.Load()
	r := newReport(c, err)
	if (*live || *strict) && r.OK {
		r.live = inspect(ctx, c)
	}
	r.gather(c)
	if *asJSON {
		r.writeJSON(out)
	} else {
		r.writeText(out)
	}
	if !r.OK || *strict && r.failed() > 0 {
		return exitFailed
	}
	return exitOK
}

// gather lists all findings. What was looked at live is said once.
func (r *report) gather(c *config.Config) {
	if r.live != nil {
		faults, soon := c.CertificateFaults()
		r.Notes = slices.DeleteFunc(r.Notes, func(note string) bool { return note == soon || slices.Contains(faults, note) })
	}
	r.Findings = slices.Concat([]finding{}, ofProblems(r.Problems), ofNotes(r.Notes), r.live)
}

// failed is how many of the things that were asked live are not as they must be.
func (r *report) failed() (failed int) {
	for _, f := range r.live {
		if f.failed() {
			failed++
		}
	}
	return failed
}

func newReport(c *config.Config, err error) *report {
	r := &report{OK: err == nil, Problems: config.Problems{}, Notes: []string{}}
	errors.As(err, &r.Problems)
	r.Register.RedirectURIs, r.Register.PostLogoutRedirectURIs = append([]string{}, c.CallbackURLs()...), []string{}
	if u := c.LogoutURL(); u != "" && len(r.Problems.Of("POST_LOGOUT_URL")) == 0 {
		r.Register.PostLogoutRedirectURIs = []string{u}
	}
	r.Register.BackChannelLogoutURI, r.Register.FrontChannelLogoutURI = c.BackChannelLogoutURL(), c.FrontChannelLogoutURL()
	r.Register.ClientKey = c.ClientPublicKey()
	if err == nil {
		r.Front, r.Notes = c.FrontNotes(), append(r.Notes, c.Notes()...)
	}
	r.Notes = append(r.Notes, config.EnvironmentNotes()...)
	return r
}

func (r *report) writeJSON(w io.Writer) {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	encoder.Encode(r)
}

func (r *report) writeText(w io.Writer) {
	fmt.Fprintln(w, r.headline())
	for _, p := range r.Problems {
		fmt.Fprintf(w, "\n  %s\n    %s\n", p.Variable, p.Wrong)
		if p.Mend != "" {
			fmt.Fprintf(w, "    mend: %s\n", p.Mend)
		}
	}
	writeList(w, "Register at the provider as redirect URIs (sign-in):", r.Register.RedirectURIs)
	writeList(w, "Register at the provider as post-logout redirect URI (sign-out):", r.Register.PostLogoutRedirectURIs)
	if r.Register.BackChannelLogoutURI != "" {
		writeList(w, "Register at the provider, where it can tell that it has signed somebody out, with their session (sid):", []string{
			r.Register.BackChannelLogoutURI + "  (back-channel: the better one)",
			r.Register.FrontChannelLogoutURI + "  (front-channel: where there is no other)",
		})
	}
	if r.Register.ClientKey != nil {
		writeList(w, "Register at the provider as the client's public key (a JWK):", []string{string(r.Register.ClientKey)})
	}
	writeList(w, "Configure the server in front ("+config.Prefix+"_FORWARD_AUTH) to", r.Front)
	writeList(w, "Notes:", r.Notes)
	writeFindings(w, r.live)
}

func (r *report) headline() string {
	failed := r.failed()
	switch {
	case !r.OK:
		return fmt.Sprintf("doorward would not start: %d to mend.", len(r.Problems))
	case failed > 0:
		return fmt.Sprintf("doorward would start, but %d of what was asked live failed.", failed)
	}
	return "The configuration is fine."
}

func writeList(w io.Writer, title string, items []string) {
	if len(items) > 0 {
		fmt.Fprintf(w, "\n%s\n  %s\n", title, strings.Join(items, "\n  "))
	}
}
