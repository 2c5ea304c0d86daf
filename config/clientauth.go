package config

import (
	"cmp"
	"encoding/json"

	"github.com/go-jose/go-jose/v4"
)

// The client and its credentials (OIDC Core 9). Of CLIENT_SECRET and CLIENT_KEY exactly what CLIENT_AUTH uses is set, since a
// setting that is accepted and ignored lets people believe in a protection that is not there.

// credential is the setting that CLIENT_AUTH needs, named without prefix; empty when it needs none.
func (c *Config) credential() string {
	switch cmp.Or(c.ClientAuth, "client_secret_basic") {
	case "client_secret_basic", "client_secret_post":
		return "CLIENT_SECRET"
	case "private_key_jwt":
		return "CLIENT_KEY"
	}
	return ""
}

func checkClientID(c *Config) Problems { return checkCopied("CLIENT_ID", c.ClientID) }

// checkCopied looks for what copying an example leaves of a value or around it.
func checkCopied(variable, text string) Problems {
	v := verdict{variable: variable}
	wrong, mend := misspeltLine(text)
	if placeholder(text) {
		wrong, mend = "is a placeholder", "write what the provider shows for this client in its place"
	}
	if wrong != "" {
		v.add(wrong, mend)
	}
	return v.problems
}

// checkClientAuth leaves a method that does not exist to checkChoices.
func checkClientAuth(c *Config) Problems {
	if len(checkChoices(c).Of("CLIENT_AUTH")) > 0 {
		return nil
	}
	return append(c.checkCredential("CLIENT_SECRET", c.ClientSecret), c.checkCredential("CLIENT_KEY", c.ClientKey)...)
}

func (c *Config) checkCredential(name, text string) Problems {
	v := verdict{variable: name}
	needed, method := name == c.credential(), cmp.Or(c.ClientAuth, "client_secret_basic")
	switch {
	case needed && text == "":
		v.add("is not set or empty, and "+Prefix+"_CLIENT_AUTH="+method+" needs it", mendMissingCredential(name))
	case needed && name == "CLIENT_KEY":
		_, v.problems = readKey(text)
	case needed:
		_, v.problems = readSecret(text)
	case text != "":
		v.add("is set, and "+Prefix+"_CLIENT_AUTH="+method+" does not use it", "leave it out, or set "+Prefix+"_CLIENT_AUTH to how the client is registered at the provider")
	}
	return v.problems
}

func mendMissingCredential(name string) string {
	if name == "CLIENT_KEY" {
		return "set " + Prefix + "_CLIENT_KEY_FILE to the path of its file; " + freshKey
	}
	return settingOf(name).mendMissing()
}

// readSecret is a client secret as it is written, and what is wrong with it.
func readSecret(text string) (string, Problems) { return text, checkCopied("CLIENT_SECRET", text) }

// ClientPublicKey is the public half of CLIENT_KEY as a JWK, for the provider to know; nil when there is no usable key.
func (c *Config) ClientPublicKey() json.RawMessage {
	key, problems := readKey(c.ClientKey)
	if problems != nil {
		return nil
	}
	public := key.Public()
	public.Use = "sig"
	text, err := public.MarshalJSON()
	if err != nil {
		return nil
	}
	return text
}

// FollowClientSecret returns a function that gives the client's secret as it is now: see follow.
func (c *Config) FollowClientSecret(notice func(variable string, err error)) func() string {
	return follow(c, "CLIENT_SECRET", c.ClientSecret, readSecret, notice)
}

// FollowClientKey returns a function that gives the client's private key as it is now: see follow. Its algorithm is empty where the key could
// do with several; it is nil where there is no usable key.
func (c *Config) FollowClientKey(notice func(variable string, err error)) func() *jose.JSONWebKey {
	return follow(c, "CLIENT_KEY", c.ClientKey, readKey, notice)
}
