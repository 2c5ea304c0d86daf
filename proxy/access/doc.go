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
// A path is read in every way in which a known kind of server would read it (see meanings.go). Where the readings lead to
// different rules, upstreams or values of wildcards that a requirement uses, the path is refused.
package access
