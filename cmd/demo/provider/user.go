package provider

import (
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// scopeGroups asks for the groups in the ID token and in userinfo. It is no standard scope, but the one that Okta,
// Dex and others use.
const scopeGroups = "groups"

// User is somebody who can sign in.
type User struct {
	// Username is the name on the login page. It is also the subject of the tokens, which at a real provider is an
	// identifier that tells nothing and never changes.
	Username string
	// Name is the full name, the `name` claim.
	Name string
	// Email is the address, which the provider vouches for (`email_verified`).
	Email string
	// Groups are the `groups` claim, which may be empty.
	Groups []string
}

// DemoUsers are the three people of the demo.
func DemoUsers() []User {
	return []User{
		{Username: "alice", Name: "Alice Archer", Email: "alice@example.com", Groups: []string{"Admin", "Dev"}},
		{Username: "bob", Name: "Bob Baker", Email: "bob@example.com", Groups: []string{"Dev"}},
		{Username: "carol", Name: "Carol Cook", Email: "carol@example.com", Groups: []string{}},
	}
}

// find returns the user of that name, nil when there is none.
func find(users []User, name string) *User {
	i := slices.IndexFunc(users, func(u User) bool { return u.Username == name })
	if i < 0 {
		return nil
	}
	return &users[i]
}

// describe fills in the claims that the scopes ask for (OIDC Core 5.4).
func (u *User) describe(info *oidc.UserInfo, scopes []string) {
	info.Subject = u.Username
	for _, scope := range scopes {
		switch scope {
		case oidc.ScopeProfile:
			info.Name, info.PreferredUsername = u.Name, u.Username
		case oidc.ScopeEmail:
			info.Email, info.EmailVerified = u.Email, true
		case scopeGroups:
			info.AppendClaims("groups", u.Groups)
		}
	}
}
