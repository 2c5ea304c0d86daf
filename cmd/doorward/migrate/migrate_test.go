package migrate

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"doorward/config"
	"doorward/proxy/access"
)

// load reads the settings as doorward does, and returns what refuses the start.
func load(t *testing.T, m *Migration) (*config.Config, config.Problems) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, config.Prefix+"_") {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
	for _, s := range m.Settings {
		if !s.Example {
			t.Setenv(config.Prefix+"_"+s.Name, s.Value)
		}
	}
	c, err := config.Load()
	problems, _ := err.(config.Problems)
	return c, problems
}

// translate reads files of testdata.
func translate(t *testing.T, front string, names ...string) *Migration {
	t.Helper()
	var all *Found
	for _, name := range names {
		f, err := ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if all == nil {
			all = f
		} else {
			all.Layer(f)
		}
	}
	return Translate(all, front)
}

// translateText reads a configuration.
func translateText(t *testing.T, text string) *Migration {
	t.Helper()
	f, err := Read(strings.NewReader(text), "test")
	if err != nil {
		t.Fatal(err)
	}
	return Translate(f, "")
}

// value is the value of a setting; "" where it is not written, or to be filled in.
func (m *Migration) value(name string) string {
	i := slices.IndexFunc(m.Settings, func(s Setting) bool { return s.Name == name && !s.Example })
	if i < 0 {
		return ""
	}
	return m.Settings[i].Value
}

func (m *Migration) lists() string {
	var s strings.Builder
	m.WriteLists(&s)
	return strings.Join(strings.Fields(s.String()), " ")
}

func subject(email string, groups ...string) *access.Subject {
	return &access.Subject{User: "someone", Email: email, Groups: groups, Claims: map[string]any{}}
}

func TestDocumentedConfigurations(t *testing.T) {
	ann := subject("ann@example.com", "/engineers")
	for _, c := range []struct {
		files string
		front string
		// says is what the settings have, one a line.
		says string
		// missing are the variables that doorward asks for, beyond what could be taken over.
		missing string
		public  string // paths
		who     *access.Subject
		asked   string // paths with which who gets in, and which are not public
		others  *access.Subject
	}{
		{
			files: "keycloak.cfg",
			says: `PUBLIC_URL=https://internal.example.com
ISSUER_URL=https://keycloak.example.com/realms/staff
AUDIENCE=internal
BEARER_TOKENS=false
LISTEN_ADDR=0.0.0.0:4180`,
			public: "/probe /metrics /metrics/x /static/x", who: ann, asked: "/ /x /static /probed /metrics-old", others: subject("ann@example.com", "/painters"),
		},
		{
			files: "okta.cfg",
			says: `PUBLIC_URL=http://localhost:4180
UPSTREAMS=/ http://127.0.0.1:8080 token=x-forwarded-access-token
ACCESS_RULES=/  !claim:email_verified=false`,
			who: subject(""), asked: "/ /x",
		},
		{
			files: "google.env",
			says: `ISSUER_URL=https://accounts.google.com
AUTH_PARAMS=access_type=offline,prompt=consent
SESSION_MAX_AGE=8h
CLIENT_SECRET=canary-client-secret`,
			who: subject("bob@example.org"), asked: "/ /x", others: subject("bob@example.net"),
		},
		{files: "github.cfg", missing: "ISSUER_URL", asked: "/ /x", others: ann},
		{
			files: "entra-id.cfg",
			says: `ISSUER_URL=https://login.microsoftonline.com/7e1a4f1c-51c3-4b8c-9d0e-0f0a6b1c2d3e/v2.0
REDIS_URL=redis://sentinel-1:26379?addr=sentinel-2%3A26379&master_set=mymaster
REDIS_PASSWORD=canary-redis-password
SCOPES=openid User.Read`,
			who: subject("", "968b4844-d5e7-4e18-a834-59927959369f"), asked: "/", others: ann,
		},
		{
			files:  "gitlab.service",
			says:   "UPSTREAMS=/ unix:/run/app.sock token=bearer",
			public: "/ /health /x", who: subject("", "platform/on call"), asked: "/private /private/ /private/x", others: subject("", "platform/on"),
		},
		{
			files: "dex.yaml dex.cfg",
			says: `UPSTREAMS=/ http://app:8080 timeout=2m token=bearer
/api/ https://api.example.com strip=/api host=upstream token=bearer
HEADERS=X-Department=department
METRICS_ADDR=0.0.0.0:44180`,
			who: subject("ann@example.com", "engineers"), asked: "/ /api/x", others: subject("ann@example.org", "engineers"),
		},
		{files: "nginx-compose.yaml", missing: "UPSTREAMS", public: "/health", who: subject(""), asked: "/ /healthy"},
		{
			files: "nginx-compose.yaml", front: "nginx",
			says:    "AUTH_RESPONSE_HEADERS=access-token,authorization\nFORWARD_AUTH=nginx",
			missing: "TRUSTED_PROXIES", public: "/health", who: subject(""), asked: "/",
		},
		{files: "kubernetes.yaml", missing: "UPSTREAMS CLIENT_SECRET", who: ann, asked: "/", others: subject("ann@example.org")},
	} {
		t.Run(c.files+c.front, func(t *testing.T) {
			m := translate(t, c.front, strings.Fields(c.files)...)
			m.supplyFiles(t)
			loaded, problems := load(t, m)
			if names := variables(problems); names != c.missing {
				t.Errorf("doorward asks for %q: %v", names, problems)
			}
			for _, name := range strings.Fields(c.missing) {
				if !strings.Contains(m.lists(), name) {
					t.Errorf("%s is not in the lists", name)
				}
			}
			checkSettings(t, m, c.says)
			checkRules(t, loaded, c.public, c.asked, c.who, c.others)
		})
	}
}

// supplyFiles puts a file in place of each that the settings name.
func (m *Migration) supplyFiles(t *testing.T) {
	for i, s := range m.Settings {
		if strings.HasSuffix(s.Name, "_FILE") && !s.Example {
			path := filepath.Join(t.TempDir(), "value")
			if err := os.WriteFile(path, []byte("canary-of-a-file"), 0o600); err != nil {
				t.Fatal(err)
			}
			m.Settings[i].Value = path
		}
	}
}

func variables(problems config.Problems) string {
	var names []string
	for _, p := range problems {
		names = append(names, strings.TrimPrefix(p.Variable, config.Prefix+"_"))
	}
	return strings.Join(names, " ")
}

func checkSettings(t *testing.T, m *Migration, says string) {
	t.Helper()
	name := ""
	want := make(map[string]string)
	for line := range strings.Lines(says) {
		if before, _, ok := strings.Cut(line, "="); ok && config.Known(before) {
			name = before
		}
		want[name] += line
	}
	for name, text := range want {
		if got := name + "=" + m.value(name); got != strings.TrimSuffix(text, "\n") {
			t.Errorf("%s instead of %s", got, text)
		}
	}
}

func checkRules(t *testing.T, c *config.Config, public, asked string, who, others *access.Subject) {
	t.Helper()
	policy, err := access.Compile(c.AccessRules, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, c.AccessRules)
	}
	for _, path := range strings.Fields(public) {
		if route, err := policy.Route("GET", "internal.example.com", path); err != nil || route.Access() != access.Public {
			t.Errorf("%s is not public (%v)\n%s", path, err, c.AccessRules)
		}
	}
	for _, path := range strings.Fields(asked) {
		route, err := policy.Route("GET", "internal.example.com", path)
		if err != nil || route.Access() == access.Public {
			t.Errorf("%s is public (%v)\n%s", path, err, c.AccessRules)
			continue
		}
		if who != nil && route.Check(who) != nil {
			t.Errorf("%s: %+v is refused\n%s", path, who, c.AccessRules)
		}
		if others != nil && route.Access() != access.Deny && route.Check(others) == nil {
			t.Errorf("%s: %+v is let in\n%s", path, others, c.AccessRules)
		}
	}
}
