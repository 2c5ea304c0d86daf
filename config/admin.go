package config

import "strings"

// adminTokenBytes is the least length of ADMIN_TOKEN: what is guessed over the network alone need not be longer.
const adminTokenBytes = 16

// freshToken is how to make a token that nobody guesses.
const freshToken = "write what `openssl rand -hex 32` prints"

// checkAdminToken: what is sent as a bearer token has the characters of one (RFC 6750 2.1), or no client could send it.
func checkAdminToken(c *Config) Problems {
	v := verdict{variable: "ADMIN_TOKEN"}
	const characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="
	token := c.AdminToken
	switch {
	case token == "":
	case placeholder(token):
		v.add("is a placeholder", freshToken)
	case strings.Trim(token, characters) != "":
		v.add("holds a character that no bearer token has (letters, digits and -._~+/= are good)", freshToken)
	case len(token) < adminTokenBytes:
		v.add("is shorter than 16 characters", freshToken)
	case predictable([]byte(token)):
		v.add("is not random", freshToken)
	}
	return v.problems
}
