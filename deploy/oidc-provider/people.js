// The people who can sign in. Their passwords are not asked for: whoever reaches this provider can be anybody.

const people = new Map([
  ['alice', { name: 'Alice Archer', groups: ['Admin', 'Dev'] }],
  ['bob', { name: 'Bob Baker', groups: ['Dev'] }],
]);

/** The names on the login page. */
export const names = [...people.keys()];

/** A person's groups. */
export const groupsOf = (name) => people.get(name).groups;

/** What oidc-provider wants to know of a person: an identifier, and claims when they are asked for. */
export function findAccount(ctx, name) {
  const person = people.get(name);
  return person && {
    accountId: name,
    claims: () => ({
      sub: name,
      preferred_username: name,
      name: person.name,
      email: `${name}@example.com`,
      email_verified: true,
      groups: person.groups,
    }),
  };
}
