package migrate

// Who may enter. A restriction that cannot be kept, and one that may stand where nobody looked, keeps everybody out.

import (
	"encoding/csv"
	"os"
	"regexp"
	"slices"
	"strings"
)

// whoMayIn is the requirement that holds for every path that is not public.
func (m *Migration) whoMayIn() string {
	limits, ok := m.groupLimits()
	mails, known := m.mailLimit()
	if !ok || !known || !m.complete() {
		return "deny"
	}
	if mails != "" {
		limits = append([]limit{{mails}}, limits...)
	} else if vouched := m.notUnverified(); vouched != "" {
		limits = append(limits, limit{vouched})
	}
	if len(limits) == 0 {
		return "authenticated"
	}
	ways := []string{""}
	for _, l := range limits {
		var longer []string
		for _, way := range ways {
			for _, alternative := range l {
				longer = append(longer, strings.TrimSpace(way+" "+alternative))
			}
		}
		ways = longer
	}
	return strings.Join(ways, " | ")
}

// complete reports that nothing is missing that could restrict who may enter: a file that was not read, or the claim that a limit is about.
func (m *Migration) complete() bool {
	switch {
	case len(m.found.Unread) > 0:
		m.todo("ACCESS_RULES: nobody may enter, since what could not be read may say who")
	case slices.ContainsFunc(m.found.Unknown, matters):
		m.todo("ACCESS_RULES: nobody may enter, since an option that is not known here may say who")
	case !m.given("client_id") && !m.open("client_id"):
		m.todo("ACCESS_RULES: nobody may enter, since client_id was not found, without which oauth2-proxy does not start: the sources are not all there, and the others may say who may enter. Name them too")
	case m.open("provider") || m.open("oidc_groups_claim") || m.open("oidc_email_claim") || m.open("user_id_claim"):
		m.todo("ACCESS_RULES: nobody may enter until the claims are known by which people are told apart")
	default:
		return true
	}
	return false
}

// matters reports an unknown option without which oauth2-proxy would not start: a flag, or an entry of a file. It is one of a newer version.
// Unknown variables it passes over.
func matters(unknown string) bool { return !strings.HasPrefix(unknown, envPrefix) }

// limit is a list of alternatives, one of which must hold.
type limit []string

// mailLimit is what is asked of the e-mail; "" where every one will do. Without either option oauth2-proxy does not start, so where
// none is found the sources are not all there.
func (m *Migration) mailLimit() (term string, known bool) {
	domains := m.list("email_domains")
	if slices.Contains(domains, "*") {
		m.change("email_domains `*`: whoever signs in may enter, also without an e-mail; oauth2-proxy turned these away")
		return "", true
	}
	if len(domains) == 0 && !m.given("authenticated_emails_file") {
		m.todo("ACCESS_RULES: nobody may enter, since neither email_domains nor authenticated_emails_file was found, without which oauth2-proxy does not start. " +
			"Where they stand elsewhere (an environment beside the file), name that file too; else write who may enter")
		return "", false
	}
	var mails []string
	for _, domain := range domains {
		domain = strings.ToLower(domain)
		switch {
		case strings.HasPrefix(domain, ".") || strings.HasPrefix(domain, "*."):
			m.todo("email_domains: %s means every domain below, which no rule says; write email:*@… for each of them into ACCESS_RULES", domain)
		case !regexp.MustCompile(`^[a-z0-9.-]+$`).MatchString(domain):
			m.todo("email_domains: one is no domain name")
		default:
			mails = append(mails, "*@"+domain)
		}
	}
	mails = append(mails, m.mailsOfFile()...)
	if len(mails) == 0 {
		m.todo("ACCESS_RULES: nobody may enter, since none of the e-mail addresses and domains could be taken over; write who may enter")
		return "", false
	}
	return "email:" + strings.Join(mails, ","), true
}

// notUnverified keeps out whose e-mail the provider says is not verified, as oauth2-proxy does where it is told nothing else, and looks at that
// claim; "" where it lets them in.
func (m *Migration) notUnverified() string {
	if claim := m.text(m.emailOption()); claim != "" && claim != "email" || m.is("insecure_oidc_allow_unverified_email") {
		return ""
	}
	m.change("email_domains `*`: `!claim:email_verified=false` keeps out whose e-mail is not verified, as oauth2-proxy did, and everybody where the provider cannot be asked " +
		"(the claim is in no token, and userinfo does not take the access token); leave the term out there")
	return "!claim:email_verified=false"
}

// mailsOfFile reads authenticated_emails_file as oauth2-proxy does.
func (m *Migration) mailsOfFile() []string {
	path := m.text("authenticated_emails_file")
	if path == "" {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		m.todo("authenticated_emails_file could not be read: write its addresses into ACCESS_RULES (email:a@example.com,b@example.com)")
		return nil
	}
	defer file.Close()
	r := csv.NewReader(file)
	r.Comment, r.TrimLeadingSpace, r.FieldsPerRecord = '#', true, -1
	records, err := r.ReadAll()
	if err != nil {
		m.todo("authenticated_emails_file is no list of addresses: write them into ACCESS_RULES (email:a@example.com,b@example.com)")
		return nil
	}
	var mails []string
	for _, record := range records {
		mail := strings.ToLower(strings.TrimSpace(record[0]))
		if !regexp.MustCompile(`^[a-z0-9._%+-]+@[a-z0-9.-]+$`).MatchString(mail) {
			m.todo("authenticated_emails_file: a line is no plain address; write it into ACCESS_RULES yourself")
			continue
		}
		mails = append(mails, mail)
	}
	m.change("authenticated_emails_file was read once: its addresses stand in ACCESS_RULES now (ACCESS_RULES_FILE keeps the rules in a file)")
	return mails
}

// groupLimits are what is asked of groups and roles; ok is false where one of them cannot be kept, so that nobody may pass.
func (m *Migration) groupLimits() (limits []limit, ok bool) {
	ok = true
	asked := m.groupTerm("allowed_groups")
	if m.text("provider") == "keycloak-oidc" {
		asked = append(asked, m.roleTerms()...)
	} else if m.given("allowed_roles") {
		m.change("allowed_roles: it means nothing to the provider %q, so no rule asks for these roles", m.text("provider"))
	}
	if len(asked) > 0 {
		limits = append(limits, asked)
	} else if m.given("allowed_groups") || m.open("allowed_groups") || m.open("allowed_roles") || m.given("allowed_roles") && m.text("provider") == "keycloak-oidc" {
		ok = m.keepOut("allowed_groups")
	}
	for _, name := range m.providerLimits() {
		terms := m.groupTerm(name)
		if name != "keycloak_groups" && name != "gitlab_groups" || len(terms) == 0 {
			ok = m.keepOut(name)
			continue
		}
		limits = append(limits, terms)
	}
	return limits, ok
}

// providerLimits are the options that restrict logins of one provider alone, and are set.
func (m *Migration) providerLimits() []string {
	all := map[string][]string{
		"bitbucket": {"bitbucket_team", "bitbucket_workspace", "bitbucket_repository"},
		"github":    {"github_org", "github_team", "github_repo", "github_users"},
		"gitlab":    {"gitlab_groups", "gitlab_projects"},
		"google":    {"google_groups", "google_group"},
		"keycloak":  {"keycloak_groups"},
	}
	var set []string
	for provider, names := range all {
		for _, name := range names {
			switch {
			case !m.given(name) && !m.open(name):
			case provider != m.text("provider"):
				m.change("%s: it means nothing to the provider %q, so no rule asks for it", name, m.text("provider"))
			case name == "gitlab_projects" && m.given("gitlab_groups"):
				m.todo("gitlab_projects: GitLab's tokens name groups alone, so its members have to be in one of gitlab_groups")
			default:
				set = append(set, name)
			}
		}
	}
	slices.Sort(set)
	return set
}

// keepOut says that a restriction cannot be kept.
func (m *Migration) keepOut(name string) bool {
	m.todo("%s: no rule can ask for this, so nobody may enter (deny). Let the provider send groups and write group:NAME into ACCESS_RULES", name)
	return false
}

// groupTerm asks for one of the groups that an option lists.
func (m *Migration) groupTerm(name string) limit {
	var groups []string
	for _, group := range m.list(name) {
		if quoted, ok := quoteValue(group); ok {
			groups = append(groups, quoted)
		} else {
			m.todo("%s: a name in it cannot be written in rules; its members cannot sign in", name)
		}
	}
	if len(groups) == 0 {
		return nil
	}
	return limit{"group:" + strings.Join(groups, ",")}
}

// roleTerms asks for Keycloak's roles, of the realm (name) and of clients (client:name), where its tokens have them.
func (m *Migration) roleTerms() limit {
	claims := make(map[string][]string)
	for _, role := range m.list("allowed_roles") {
		claim := "realm_access.roles"
		client, name, ofClient := strings.Cut(role, ":")
		if ofClient {
			claim, role = "resource_access."+client+".roles", name
		}
		quoted, ok := quoteValue(role)
		if !ok || ofClient && !regexp.MustCompile(`^[A-Za-z0-9_-]+$`).MatchString(client) {
			m.todo("allowed_roles: %q cannot be written in rules; whoever has it cannot sign in", role)
			continue
		}
		claims[claim] = append(claims[claim], quoted)
	}
	var terms limit
	for claim, roles := range claims {
		terms = append(terms, "claim:"+claim+"="+strings.Join(roles, ","))
	}
	slices.Sort(terms)
	return terms
}

// quoteValue writes a value of a requirement.
func quoteValue(text string) (string, bool) {
	switch {
	case regexp.MustCompile(`^[A-Za-z0-9_./@:-]+$`).MatchString(text):
		return text, true
	case strings.TrimSpace(text) == "" || strings.ContainsAny(text, "\"\x00\r\n\t"):
		return "", false
	}
	return `"` + text + `"`, true
}
