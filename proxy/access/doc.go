// Package access holds the rule language of doorward: it reads a table of rules, and says for a method, a host and a path
// which rule decides, which upstream would serve the request, and whether a person may pass. It is pure: it opens no
// connection, reads no clock and keeps no state.
//
// # Rules
//
//	/                     authenticated
//	GET,HEAD /docs/       public
//	/finance/             group:Finance !group:Contractors acr:mfa max-age:15m
//	/user/{name}/         claim:preferred_username={name}
//	*.dev.example.com/    group:Dev ip:10.0.0.0/8
//
// A rule is a pattern and a requirement.
//
// A pattern is [METHODS] [HOST]PATH. GET covers HEAD. {name} stands for one segment that is not empty, {name...} at the end for
// all that follows, {$} for the end of a path that ends in a slash. A pattern that ends in a slash (or {name...}) covers
// everything below, and the path without the slash too. *.example.com covers every host below example.com, however
// many labels deep, and not example.com itself.
//
// Among the rules that cover a request
//
//  1. a rule with a host beats one without, an exact host a wildcard, a longer wildcard a shorter one;
//  2. then the most specific path wins: the one whose paths are all paths of the other, too;
//  3. and only at the same path do fewer methods beat more, or all. GET / public never opens what /admin/ guards;
//  4. where several remain and none is more specific, all of them must hold;
//  5. but a deny that would decide if no rule had a host decides on every host. A host's rule never opens what it closes;
//  6. where no rule is left, nobody passes.
//
// # Requirements
//
// Terms beside each other must all hold, | separates alternatives and binds weakest, commas separate alternative values, !
// negates, and quotation marks take anything literally.
//
//	public, authenticated, deny   stand alone
//	upstream-auth                 stands alone, or beside challenge:basic
//	group:a,b                     a group of the person is named so, exactly
//	user:name                     the user is named so, exactly
//	email:ci@example.com          compared without regard to ASCII letter case, the local part too
//	email:*@example.com           this very domain, none above or below it
//	claim:name=value              the claim, or one element of it where it is an array; numbers and booleans by their JSON text
//	acr:x,y                       the login's authentication context, exactly
//	max-age:15m                   the login is this old at most
//	ip:10.0.0.0/8                 the client's address
//
// {name} in a value of group, user or claim is the decoded value of the pattern's wildcard.
//
// A negated term holds where the provider says nothing of the matter (!group:a of a person without groups). But !email and
// !ip need an e-mail or an address to be known, since there a missing value means that nobody vouches for it; and
// max-age cannot be negated.
//
// # One meaning or none
//
// A path is read in every way in which a known kind of server would read it, in any order, since servers stand behind each other. Where
// the readings lead to different rules, upstreams or values of wildcards that a requirement uses, the path is refused. Each line below says:
// what some server does, a path that is then /admin (or below it), and who is known to read so:
//
//	decodes escapes first                          /public/%2e%2e/admin  Apache httpd, nginx and most others, before all below; some proxies after it
//	takes %2F for a slash                          /admin%2Fx            Go's URL.Path, WSGI, CGI, PHP, IIS, Tomcat with encodedSolidusHandling=decode
//	decodes twice                                  /%2561dmin            IIS with allowDoubleEscaping, applications that decode what a server decoded
//	takes \ for a slash                            /admin\x              IIS, ASP.NET, file systems of Windows, WHATWG URL parsers (Node, Deno)
//	drops ;parameters of segments                  /public/..;/admin     Tomcat, Jetty, WildFly, Spring
//	drops (S(…)) of cookieless sessions            /ad(S(x))min          ASP.NET (CVE-2023-36899)
//	merges slashes                                 //admin               nginx, Apache httpd, Go's ServeMux, every file system
//	resolves dot segments                          /x/../admin           nearly all (RFC 3986 5.2.4)
//	resolves dot segments and a final slash        /admin/.              Go's path.Clean, Python's normpath
//	takes what follows // for a host               //x/admin             new URL(request.url, base) in Node, urlsplit in Python
//	takes %3F for the beginning of the query       /admin%3Fx            nginx's proxy_pass with $uri, Apache's RewriteRule, many gateways
//	takes %23 for the beginning of the fragment    /admin%23x            the same
//	ends the path at NUL                           /admin%00x            CGI, old PHP and Perl: whatever hands a path to C
//	ends the path at a line break                  /admin%0ax            whoever writes the decoded path into a request line
//	drops control characters                       /ad%09min             WHATWG URL parsers
//	drops dots and blanks at the end of names      /admin.               file APIs of Windows
//	takes :$ for a stream of a file                /admin::$DATA         file APIs of Windows
//	reads wide and look-alike characters as ASCII  /%ef%bd%81dmin        Windows (best fit), applications that normalise by NFKC
//	drops characters that do not show              /ad%e2%80%8bmin       applications that normalise names (IDNA, PRECIS)
//	reads overlong UTF-8                           /%c1%a1dmin           old IIS, old Java, decoders written by hand
//	drops bytes that are no UTF-8                  /ad%ffmin             iconv //IGNORE, decoders with errors=ignore
//	takes Unicode's two spellings of ü for one     /bu%cc%88ro           APFS, HFS+, ZFS, whoever normalises names (this is /büro, and not /admin)
//	ignores letter case                            /Admin                IIS, ASP.NET, Express, file systems of Windows and macOS
//
// An upstream with paths=opaque-slash does not take %2F for a slash, one with paths=case-sensitive does not ignore letter case. What is
// malformed (a % without two hexadecimal digits, a raw control character, blank, # or byte beyond ASCII) is refused whatever the rules are.
//
// # Files
//
// compile.go makes a Policy (policy.go) of a table (table.go, quote.go): of patterns (pattern.go, method.go, host.go) and requirements
// (requirement.go), which consist of terms (term.go) with a condition (condition.go) and values (template.go). route.go asks it: match.go finds
// the rules that decide, and refusal.go and stepup.go say why somebody (subject.go) may not pass, and which login would help. path.go, and
// ambiguity.go with meanings.go, reading.go and comparison.go, refuse paths. problem.go and notes.go are for those who write rules.
package access
