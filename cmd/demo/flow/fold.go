package flow

import (
	"fmt"
	"slices"

	"doorward/proxy/provider"
)

// fold is what a part shows to those who open it.
type fold struct {
	Summary string
	Tables  []table
	Raw     string // a token as it travels
}

// foldToken is the token of that name taken apart, with its claims explained.
func foldToken(name, raw string, token decoded, claims []row) fold {
	signature := row{Name: "signature", Value: shorten(token.signature), Means: "over header and payload, by the provider's private key; whoever has the public key can check it"}
	return fold{
		Summary: fmt.Sprintf("Inside the %s: header, %d claims, signature", name, len(claims)),
		Tables: []table{
			{Caption: "Header", Head: heads("Field"), Rows: rows(token.header, explainHeader)},
			{Caption: "Payload", Head: heads("Claim"), Rows: claims},
			{Caption: "Signature", Head: heads("Part"), Rows: []row{signature}},
		},
		Raw: raw,
	}
}

// foldChecks has a fold for each thing that was checked.
func foldChecks(checks []provider.Check) (folds []fold) {
	for len(checks) > 0 {
		of := checks[0].Of
		next := slices.IndexFunc(checks, func(c provider.Check) bool { return c.Of != of })
		if next < 0 {
			next = len(checks)
		}
		t := table{Head: [3]string{"Checked", "Required by", ""}}
		for _, c := range checks[:next] {
			t.Rows = append(t.Rows, row{Name: c.What, Means: c.Source, Proof: "✓"})
		}
		folds = append(folds, fold{Summary: fmt.Sprintf("%s: %d checks passed", capital(of), next), Tables: []table{t}})
		checks = checks[next:]
	}
	return folds
}
