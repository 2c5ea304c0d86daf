package config_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"doorward/config"
)

// The keys are made once: RSA takes long.
var keys = sync.OnceValue(func() (k struct {
	rsa, smallRSA *rsa.PrivateKey
	p256, p384    *ecdsa.PrivateKey
	ed25519       ed25519.PrivateKey
	x25519        *ecdh.PrivateKey
}) {
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.smallRSA, _ = rsa.GenerateKey(rand.Reader, 1024)
	k.p256, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.p384, _ = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, k.ed25519, _ = ed25519.GenerateKey(rand.Reader)
	k.x25519, _ = ecdh.X25519().GenerateKey(rand.Reader)
	return k
})

func inPEM(kind string, der []byte, _ ...error) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(key any) string {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return inPEM("PRIVATE KEY", der)
}

func sec1(key *ecdsa.PrivateKey) string {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		panic(err)
	}
	return inPEM("EC PRIVATE KEY", der)
}

func publicPEM(key crypto.Signer) string {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		panic(err)
	}
	return inPEM("PUBLIC KEY", der)
}

// jwk is a key as JSON, with members changed; nil takes one out.
func jwk(key any, changes map[string]any) string {
	text, err := (&jose.JSONWebKey{Key: key}).MarshalJSON()
	if err != nil {
		panic(err)
	}
	var members map[string]any
	json.Unmarshal(text, &members)
	maps.Copy(members, changes)
	maps.DeleteFunc(members, func(_ string, v any) bool { return v == nil })
	text, _ = json.Marshal(members)
	return string(text)
}

func TestClientKeys(t *testing.T) {
	k := keys()
	certificate := inPEM("CERTIFICATE", []byte("whatever"))
	parameters := inPEM("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7})
	for name, test := range map[string]struct {
		text, algorithm, kid string
	}{
		"RSA, PKCS #8":           {pkcs8(k.rsa), "", ""},
		"RSA, PKCS #1":           {inPEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k.rsa)), "", ""},
		"P-256, PKCS #8":         {pkcs8(k.p256), "ES256", ""},
		"P-256, as openssl does": {parameters + sec1(k.p256), "ES256", ""},
		"Ed25519":                {pkcs8(k.ed25519), "EdDSA", ""},
		"with a certificate":     {certificate + pkcs8(k.p256) + certificate, "ES256", ""},
		"text around it":         {"Bag Attributes\n" + pkcs8(k.p256) + "\n\n", "ES256", ""},
		"JWK, RSA":               {jwk(k.rsa, nil), "", ""},
		"JWK, RS256":             {jwk(k.rsa, map[string]any{"alg": "RS256", "use": "sig"}), "RS256", ""},
		"JWK, PS256":             {jwk(k.rsa, map[string]any{"alg": "PS256", "kid": "k1"}), "PS256", "k1"},
		"JWK, P-256":             {jwk(k.p256, map[string]any{"key_ops": []string{"sign"}}), "ES256", ""},
		"JWK, Ed25519":           {"\n " + jwk(k.ed25519, map[string]any{"x-corp": []int{1}}), "EdDSA", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := load(t, map[string]string{"CLIENT_AUTH": "private_key_jwt", "CLIENT_SECRET": unset, "CLIENT_KEY_FILE": writeFile(t, test.text)})
			key := c.FollowClientKey(nil)()
			if key == nil || key.Algorithm != test.algorithm || key.KeyID != test.kid || key.IsPublic() {
				t.Fatalf("got %v", key)
			}
			var public jose.JSONWebKey
			if err := json.Unmarshal(c.ClientPublicKey(), &public); err != nil || !public.IsPublic() || public.KeyID != test.kid || public.Use != "sig" {
				t.Errorf("the public half is %s", c.ClientPublicKey())
			}
		})
	}
}

func TestClientKeysThatAreRefused(t *testing.T) {
	k := keys()
	whole := pkcs8(k.p256)
	foreign := jwk(k.p256, map[string]any{"d": base64.RawURLEncoding.EncodeToString(append(make([]byte, 31), 7))})
	for name, test := range map[string]struct{ text, wrong, mend string }{
		"no key":             {canary, "neither whole PEM nor a JWK", "CLIENT_KEY_FILE"},
		"path":               {"/etc/" + canary, "neither", "CLIENT_KEY_FILE"},
		"line breaks lost":   {strings.ReplaceAll(whole, "\n", " "), "neither", "line breaks"},
		"backslash n":        {strings.ReplaceAll(whole, "\n", `\n`), "neither", "line breaks"},
		"cut":                {whole[:len(whole)/2], "neither", "CLIENT_KEY_FILE"},
		"second one cut":     {whole + whole[:len(whole)/2], "neither whole", "CLIENT_KEY_FILE"},
		"garbage":            {inPEM("PRIVATE KEY", []byte(canary)), "does not parse", "openssl"},
		"encrypted":          {inPEM("ENCRYPTED PRIVATE KEY", []byte(canary)), "encrypted", "openssl pkey"},
		"encrypted, old":     {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "encrypted", "openssl pkey"},
		"OpenSSH":            {inPEM("OPENSSH PRIVATE KEY", []byte(canary)), "another program", "PEM"},
		"public":             {publicPEM(k.p256), "no private key", "to the provider"},
		"certificate":        {inPEM("CERTIFICATE", []byte(canary)), "no private key", "to the provider"},
		"two":                {whole + pkcs8(k.ed25519), "2 keys", "one alone"},
		"RSA 1024":           {inPEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k.smallRSA)), "1024 bits", "2048"},
		"P-384":              {pkcs8(k.p384), "not P-256", "P-256"},
		"X25519":             {pkcs8(k.x25519), "does not sign", "Ed25519"},
		"no JSON":            {"{" + canary, "no JSON", "JWK"},
		"array":              {"[" + jwk(k.p256, nil) + "]", "neither", "JWK"},
		"JWK set":            {`{"keys":[` + jwk(k.p256, nil) + "," + jwk(k.rsa, nil) + "]}", "2 keys", "one alone"},
		"JWK set of one":     {`{"keys":[` + jwk(k.p256, nil) + "]}", "1 keys", "one alone"},
		"JWK, public":        {jwk(k.p256.Public(), nil), "no private key", "to the provider"},
		"JWK, public RSA":    {jwk(k.rsa.Public(), nil), "no private key", "to the provider"},
		"JWK, symmetric":     {jwk([]byte(canary+canary+canary), nil), "symmetric", "private key"},
		"JWK for encryption": {jwk(k.rsa, map[string]any{"use": "enc"}), "something else than signatures", "use is sig"},
		"JWK for verifying":  {jwk(k.rsa, map[string]any{"key_ops": []string{"verify"}}), "something else than signatures", "use is sig"},
		"JWK, alg too long":  {jwk(k.rsa, map[string]any{"alg": "RS512"}), "alg", "RS256 or PS256"},
		"JWK, alg of RSA":    {jwk(k.p256, map[string]any{"alg": "RS256"}), "alg", "write alg as ES256"},
		"JWK, alg none":      {jwk(k.p256, map[string]any{"alg": "none"}), "alg", "ES256"},
		"JWK, alg HS256":     {jwk(k.p256, map[string]any{"alg": "HS256"}), "alg", "ES256"},
		"JWK, P-384":         {jwk(k.p384, nil), "not P-256", "P-256"},
		"JWK without primes": {jwk(k.rsa, map[string]any{"p": nil, "q": nil}), "missing", "n, e, d, p and q"},
		"JWK of no type":     {jwk(k.p256, map[string]any{"kty": nil}), "missing", "P-256"},
		"JWK of two halves":  {foreign, "do not belong together", "P-256"},
		"JWK, d twice":       {`{"d":"AA",` + jwk(k.p256, nil)[1:], "malformed", "P-256"},
	} {
		t.Run(name, func(t *testing.T) {
			ps := problems(t, map[string]string{"CLIENT_AUTH": "private_key_jwt", "CLIENT_SECRET": unset, "CLIENT_KEY": test.text})
			if len(ps) != 1 || ps[0].Variable != "DOORWARD_CLIENT_KEY" || !strings.Contains(ps[0].Wrong, test.wrong) || !strings.Contains(ps[0].Mend, test.mend) {
				t.Errorf("got %v, want %q and %q", ps, test.wrong, test.mend)
			}
			for _, secret := range []string{canary, "MIG", "MII", "AAAA"} {
				if strings.Contains(ps.Error(), secret) {
					t.Errorf("the key is shown: %s", ps)
				}
			}
			c, _ := config.Load()
			if c.ClientPublicKey() != nil {
				t.Error("there is something to register")
			}
		})
	}
}

// Of secret and key exactly what the method uses is set.
func TestCredentialsGoWithTheMethod(t *testing.T) {
	key := pkcs8(keys().p256)
	for _, test := range []struct {
		method, secret, key string
		wrong               []string // variable and a part of what is wrong
	}{
		{unset, "s", unset, nil},
		{"client_secret_basic", "s", unset, nil},
		{"client_secret_post", "s", unset, nil},
		{"private_key_jwt", unset, key, nil},
		{"private_key_jwt", "", key, nil},
		{"none", unset, unset, nil},
		{"none", "", "", nil},
		{unset, unset, unset, []string{"CLIENT_SECRET client_secret_basic needs it"}},
		{"client_secret_post", "", unset, []string{"CLIENT_SECRET client_secret_post needs it"}},
		{"private_key_jwt", unset, unset, []string{"CLIENT_KEY private_key_jwt needs it"}},
		{"private_key_jwt", "s", key, []string{"CLIENT_SECRET private_key_jwt does not use it"}},
		{"private_key_jwt", "s", unset, []string{"CLIENT_SECRET does not use it", "CLIENT_KEY needs it"}},
		{"none", "s", unset, []string{"CLIENT_SECRET none does not use it"}},
		{"none", unset, key, []string{"CLIENT_KEY none does not use it"}},
		{unset, "s", key, []string{"CLIENT_KEY client_secret_basic does not use it"}},
		{"client_secret_jwt", "s", unset, []string{"CLIENT_AUTH private_key_jwt"}},
		{"tls_client_auth", unset, unset, []string{"CLIENT_AUTH does not know"}},
		{"Basic", unset, key, []string{"CLIENT_AUTH does not know"}},
	} {
		t.Run(test.method+" "+test.secret+" "+test.key[:min(1, len(test.key))], func(t *testing.T) {
			changes := map[string]string{"CLIENT_AUTH": test.method, "CLIENT_SECRET": test.secret, "CLIENT_KEY": test.key}
			if test.wrong == nil {
				load(t, changes)
				return
			}
			ps := problems(t, changes)
			if len(ps) != len(test.wrong) {
				t.Fatalf("got %v, want %v", ps, test.wrong)
			}
			for i, want := range test.wrong {
				variable, wrong, _ := strings.Cut(want, " ")
				if ps[i].Variable != "DOORWARD_"+variable || !strings.Contains(ps[i].Error(), strings.TrimSpace(wrong[strings.Index(wrong, " ")+1:])) || ps[i].Mend == "" {
					t.Errorf("got %v, want %s", ps[i], want)
				}
			}
		})
	}
}

func TestUnreadableCredentialFileIsOneProblem(t *testing.T) {
	for _, name := range []string{"CLIENT_SECRET_FILE", "CLIENT_KEY_FILE"} {
		changes := map[string]string{"CLIENT_SECRET": unset, name: "/does/not/exist"}
		if name == "CLIENT_KEY_FILE" {
			changes["CLIENT_AUTH"] = "private_key_jwt"
		}
		if ps := problems(t, changes); len(ps) != 1 || ps[0].Variable != "DOORWARD_"+name || strings.Contains(ps.Error(), "exist;") {
			t.Errorf("got %v", ps)
		}
	}
}

// follower loads a secret from a file and gives what follows it, with what it tells.
func follower(t *testing.T, content string) (file string, current func() string, told *[]error) {
	t.Helper()
	file, told = writeFile(t, content), new([]error)
	c := load(t, map[string]string{"CLIENT_SECRET": unset, "CLIENT_SECRET_FILE": file})
	current = c.FollowClientSecret(func(variable string, err error) {
		if variable != "DOORWARD_CLIENT_SECRET" {
			t.Errorf("it is called %s", variable)
		}
		*told = append(*told, err)
	})
	return file, current, told
}

func overwrite(t *testing.T, file, content string, at time.Time) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestSecretFollowsItsFile(t *testing.T) {
	file, current, told := follower(t, "first")
	for range 2 {
		if got := current(); got != "first" || len(*told) != 0 {
			t.Errorf("it is %s, told is %v", got, *told)
		}
	}
	overwrite(t, file, "the second\r\n", time.Now())
	for range 2 {
		if got := current(); got != "the second" || len(*told) != 1 || (*told)[0] != nil {
			t.Errorf("it is %s, told is %v", got, *told)
		}
	}
}

// A clock may stand still between two writings of as many bytes.
func TestSecretFollowsAFileOfTheSameTime(t *testing.T) {
	now := time.Now()
	file, current, _ := follower(t, "000")
	for _, next := range []string{"111", "222", "333"} {
		overwrite(t, file, next, now)
		if got := current(); got != next {
			t.Errorf("it is %s, not %s", got, next)
		}
	}
}

// A file that was long at rest is read again when anything of it is another: its time, its size, or itself.
func TestSecretFollowsAFileThatWasAtRest(t *testing.T) {
	past := time.Now().Add(-time.Hour)
	for name, change := range map[string]func(t *testing.T, file string){
		"its time": func(t *testing.T, file string) { overwrite(t, file, "other", past.Add(time.Minute)) },
		"its size": func(t *testing.T, file string) { overwrite(t, file, "other\n", past) },
		"itself": func(t *testing.T, file string) {
			next := writeFile(t, "other")
			overwrite(t, next, "other", past)
			if err := os.Rename(next, file); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			file, current, _ := follower(t, "first")
			overwrite(t, file, "first", past)
			current()
			change(t, file)
			if got := current(); got != "other" {
				t.Errorf("it is %s", got)
			}
		})
	}
}

// A file that was long at rest is not read each time.
func TestFileAtRestIsNotRead(t *testing.T) {
	file, current, _ := follower(t, "first")
	past := time.Now().Add(-time.Hour)
	overwrite(t, file, "first", past)
	current()
	overwrite(t, file, "other", past) // nobody could tell by looking at it
	if got := current(); got != "first" {
		t.Errorf("it is %s", got)
	}
}

func TestTroubleWithAFileIsToldOnce(t *testing.T) {
	file, current, told := follower(t, "first")
	ask := func() {
		for range 3 {
			if got := current(); got != "first" {
				t.Errorf("it is %q", got)
			}
		}
	}
	overwrite(t, file, canary+"\n\n", time.Now())
	ask()
	overwrite(t, file, "", time.Now())
	ask()
	os.Remove(file)
	ask()
	os.Mkdir(file, 0o700)
	ask()
	os.Remove(file)
	overwrite(t, file, "first\n", time.Now())
	ask()
	var said []string
	for _, err := range *told {
		if err == nil {
			said = append(said, "well")
		} else {
			said = append(said, err.Error())
		}
	}
	for i, want := range []string{"blank or a newline", "the file is empty", "no such file", "not a plain file", "well"} {
		if len(said) != 5 || !strings.Contains(said[i], want) {
			t.Fatalf("told is %q", said)
		}
	}
	if slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, canary) || strings.Contains(s, file) }) {
		t.Errorf("a secret is told: %q", said)
	}
}

// A value that stood in the environment stays.
func TestSecretOfTheEnvironmentFollowsNothing(t *testing.T) {
	current := load(t, nil).FollowClientSecret(nil)
	if current() != canary {
		t.Error("it is another")
	}
}

func TestManyAskForASecretAtOnce(t *testing.T) {
	file, current, _ := follower(t, "0000")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				if got := current(); len(got) != 4 {
					t.Errorf("it is %q", got)
				}
			}
		})
	}
	for _, next := range []string{"1111", "2222", "3333"} {
		replacement := writeFile(t, next)
		if err := os.Rename(replacement, file); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
	if got := current(); got != "3333" {
		t.Errorf("it is %s", got)
	}
}
