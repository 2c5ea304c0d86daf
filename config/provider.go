package config

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// checkIssuer keeps the issuer as it is written: it is compared exactly
// (OIDC Discovery 4.3), so nothing is trimmed or normalised. It has neither
// query nor fragment (OIDC Discovery 3).
func checkIssuer(c *Config) Problems {
	v := verdict{variable: "ISSUER_URL"}
	if c.IssuerURL == "" {
		return nil
	}
	u, err := parseWebURL(c.IssuerURL)
	switch {
	case err != nil:
		v.add(err.Error(), "write the issuer as the provider's discovery document has it, e.g. https://id.example.com")
	case strings.HasSuffix(u.Path, "/.well-known/openid-configuration"):
		v.add("is the address of the discovery document", "write the issuer alone: what stands before /.well-known")
	case plainHTTP(u) && !c.InsecureProviderHTTP:
		v.add("is plain http beyond loopback", "write https, or set "+Prefix+"_INSECURE_PROVIDER_HTTP=true")
	}
	return v.problems
}

func checkInternalURL(c *Config) Problems {
	v := verdict{variable: "PROVIDER_INTERNAL_URL"}
	if c.ProviderInternalURL == "" {
		return nil
	}
	u, err := parseOrigin(c.ProviderInternalURL)
	switch {
	case err != nil:
		v.add(err.Error(), "write an origin, e.g. https://provider.internal:8443; paths are the issuer's")
	case plainHTTP(u) && !c.InsecureProviderHTTP:
		v.add("is plain http beyond loopback", "write https, or set "+Prefix+"_INSECURE_PROVIDER_HTTP=true")
	}
	return v.problems
}

func checkScopes(c *Config) Problems {
	v := verdict{variable: "SCOPES"}
	scopes := strings.Fields(c.Scopes)
	for _, scope := range scopes {
		if !scopeToken(scope) {
			v.add(quote(scope)+" is no scope", "write scopes separated by blanks, e.g. "+quote("openid profile email groups"))
		}
	}
	if !slices.Contains(scopes, "openid") && v.problems == nil {
		v.add("lacks openid", "add it: without it the provider sends no ID token")
	}
	return v.problems
}

// scopeToken reports a scope-token (RFC 6749 3.3), commas aside: they are
// allowed there, but mean here that somebody separated scopes by them.
func scopeToken(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\' || r == ','
	})
}

// checkResponseMode: form_post comes as a cross-site POST, on which browsers
// send only SameSite=None cookies, and these must be Secure.
func checkResponseMode(c *Config) Problems {
	v := verdict{variable: "RESPONSE_MODE"}
	if c.ResponseMode == "form_post" && len(c.Origins()) > 0 && !c.Secure() {
		v.add("form_post needs https in "+Prefix+"_PUBLIC_URL", "write query, or use https")
	}
	return v.problems
}

// AuthParameters returns the further parameters of the authorization request.
// Its error is a [Problems].
func (c *Config) AuthParameters() (url.Values, error) {
	parameters, problems := c.authParameters()
	return parameters, problems.result()
}

func checkAuthParams(c *Config) Problems {
	_, problems := c.authParameters()
	return problems
}

// secondParameter is what a blank in a comma's place makes of the next parameter.
var secondParameter = regexp.MustCompile(`\s[a-z][a-z_]*=`)

func (c *Config) authParameters() (url.Values, Problems) {
	v := verdict{variable: "AUTH_PARAMS"}
	parameters := make(url.Values)
	for i, item := range c.AuthParams {
		name, value, ok := strings.Cut(item, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !ok || !parameterName(name):
			v.add(fmt.Sprintf("item %d is no name=value", i+1), "write e.g. prompt=login")
		case value == "":
			v.add(name+" has no value", "write "+name+"=value, or leave it out")
		case secondParameter.MatchString(value):
			v.add(name+" holds another parameter", "write commas between parameters")
		case reserved(name) != "":
			v.add(name+" is doorward's to set", reserved(name))
		case parameters.Has(name):
			v.add(name+" is there twice", "write it once")
		}
		parameters.Set(name, value)
	}
	checkMaxAge(&v, parameters)
	return parameters, v.problems
}

func parameterName(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-.", r) || r > '~'
	})
}

// reserved says how to mend an authorization parameter that doorward sets
// itself; empty for any other.
func reserved(name string) string {
	switch name {
	case "scope":
		return "use " + Prefix + "_SCOPES"
	case "response_mode":
		return "use " + Prefix + "_RESPONSE_MODE"
	case "client_id":
		return "use " + Prefix + "_CLIENT_ID"
	case "client_secret", "client_assertion", "client_assertion_type", "response_type", "state", "nonce", "redirect_uri", "request", "request_uri",
		"code_challenge", "code_challenge_method", "code_verifier", "grant_type", "code", "registration", "id_token_hint":
		return "leave it out"
	}
	return ""
}

// checkMaxAge: OIDC Core 3.1.2.1. max_age=0 asks for a fresh login always and
// prompt=none forbids one, so together no login could succeed.
func checkMaxAge(v *verdict, parameters url.Values) {
	prompts := strings.Fields(parameters.Get("prompt"))
	if slices.Contains(prompts, "none") && len(prompts) > 1 {
		v.add("prompt has none beside others", "write prompt=none alone, or leave none out")
	}
	if !parameters.Has("max_age") {
		return
	}
	seconds, err := strconv.ParseUint(parameters.Get("max_age"), 10, 31)
	if err != nil {
		v.add("max_age is no number of seconds", "write e.g. max_age=3600")
	} else if seconds == 0 && slices.Contains(prompts, "none") {
		v.add("max_age=0 with prompt=none lets nobody in", "leave one of them out")
	}
}

func checkClaims(c *Config) Problems {
	var problems Problems
	for variable, claim := range map[string]string{"GROUPS_CLAIM": c.GroupsClaim, "USER_CLAIM": c.UserClaim, "EMAIL_CLAIM": c.EmailClaim} {
		v := verdict{variable: variable}
		if isBlank(claim) {
			v.add("names no claim", "write the claim's name")
		}
		problems = append(problems, v.problems...)
	}
	return problems
}

func checkProviderCA(c *Config) Problems {
	v := verdict{variable: "PROVIDER_CA"}
	if c.ProviderCA == "" {
		return nil
	}
	if err := checkCertificates([]byte(c.ProviderCA)); err != nil {
		v.add(err.Error(), "give the certificates in PEM; "+Prefix+"_PROVIDER_CA_FILE names a file of them")
	}
	return v.problems
}

func checkCertificates(data []byte) error {
	count := 0
	for {
		var block *pem.Block
		block, data = pem.Decode(data)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return errors.New("holds something else than certificates")
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("certificate %d does not parse", count+1)
		}
		count++
	}
	if count == 0 {
		return errors.New("holds no PEM certificate")
	}
	return nil
}
