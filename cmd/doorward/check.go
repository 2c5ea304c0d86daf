package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"doorward/config"
)

// report is what `check` found, as --json prints it.
type report struct {
	OK       bool            `json:"ok"` // doorward would start
	Problems config.Problems `json:"problems"`
	Register register        `json:"register"`
	Front    []string        `json:"front,omitempty"` // what the server in front has to do
	Notes    []string        `json:"notes"`
	Live     []finding       `json:"live,omitempty"`
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
// neither notes nor a provider that is down do.
func check(ctx context.Context, args []string, out, errOut io.Writer) int {
	flags := newFlags("check", errOut)
	live := flags.Bool("live", false, "also ask the provider and the upstreams")
	asJSON := flags.Bool("json", false, "print JSON")
	if status, ok := flags.parse(args, 0); !ok {
		return status
	}
	c, err := config.Load()
	r := newReport(c, err)
	if *live && r.OK {
		r.Live = inspect(ctx, c)
	}
	if *asJSON {
		r.writeJSON(out)
	} else {
		r.writeText(out)
	}
	if !r.OK {
		return exitFailed
	}
	return exitOK
}

func newReport(c *config.Config, err error) *report {
	r := &report{OK: err == nil, Problems: config.Problems{}, Notes: []string{}}
	errors.As(err, &r.Problems)
	r.Register.RedirectURIs = append([]string{}, c.CallbackURLs()...)
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
	writeFindings(w, r.Live)
}

func (r *report) headline() string {
	failed := 0
	for _, f := range r.Live {
		if !f.OK {
			failed++
		}
	}
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

func writeFindings(w io.Writer, findings []finding) {
	if len(findings) > 0 {
		fmt.Fprintln(w, "\nAsked live:")
	}
	for _, f := range findings {
		mark := "ok  "
		if !f.OK {
			mark = "FAIL"
		}
		fmt.Fprintf(w, "  %s %s: %s\n", mark, f.Subject, f.Says)
		if f.Mend != "" {
			fmt.Fprintf(w, "       mend: %s\n", f.Mend)
		}
	}
}
