package config

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Kubernetes gives every container the addresses of the Services around it, in
// variables that begin with the Service's name: for one called doorward,
// DOORWARD_SERVICE_HOST, DOORWARD_PORT_4180_TCP_ADDR and their like. These are
// no settings of ours, and no misspelt ones either.

// fromKubernetes reports whether Kubernetes injects a variable of this name
// for a Service whose own name begins with doorward.
func fromKubernetes(name string) bool {
	matched, _ := regexp.MatchString(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`, name)
	return matched
}

// EnvironmentNotes returns what is worth knowing about variables that [Load]
// passes over, for `doorward check`.
func EnvironmentNotes() []string {
	var notes []string
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, Prefix+"_") && ownPort(name, value) {
			notes = append(notes, fmt.Sprintf("%[1]s is ignored: Kubernetes sets variables of such names, and no setting bears it; addresses are set by %[2]s_LISTEN_ADDR and %[2]s_METRICS_ADDR", name, Prefix))
		}
	}
	return append(notes, tracingNotes()...)
}

// ownPort reports a variable that is named like one of Kubernetes with an
// address in it ("tcp://10.0.0.1:80"), but holds none.
func ownPort(name, value string) bool {
	address := regexp.MustCompile(`^[a-z]+://`)
	named := regexp.MustCompile(`_PORT(_[0-9]+_(TCP|UDP|SCTP))?$`)
	number := regexp.MustCompile(`_(SERVICE|TCP|UDP|SCTP)_PORT$`)
	return named.MatchString(name) && !number.MatchString(name) && value != "" && !address.MatchString(value)
}
