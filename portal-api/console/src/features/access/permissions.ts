import type { Group, Role, RoleName, User } from '#/api/types';
import { useWords, wordFor } from '#/lib/words';

export const ROLES: readonly RoleName[] = [
  'admin',
  'manager',
  'csm',
  'agent',
  'operator',
  'viewer',
  'partner',
  'customer_admin',
  'customer_manager',
  'customer_user',
];

/** Permissions of one noun: `records.read` and `records.write`. */
export type NounGroup = { noun: string; permissions: string[] };

/** The permissions by what they are about, in the order they came. */
export function byNoun(permissions: readonly string[]): NounGroup[] {
  const groups: NounGroup[] = [];
  for (const permission of permissions) {
    const noun = permission.split('.')[0] ?? permission;
    const known = groups.find((group) => group.noun === noun);
    if (known) known.permissions.push(permission);
    else groups.push({ noun, permissions: [permission] });
  }
  return groups;
}

/** Everything that can be allowed: what the role that may all has. */
export function allPermissions(roles: readonly Role[]): string[] {
  const found = new Set(roles.flatMap((role) => role.permissions));
  const most = roles.reduce<readonly string[]>(
    (best, role) => (role.permissions.length > best.length ? role.permissions : best),
    [],
  );
  return [...new Set([...most, ...found])];
}

/** Why somebody may do something. */
export type Source = { kind: 'role' } | { kind: 'group'; group: Group } | { kind: 'grant' };

export type Effective = { permission: string; sources: Source[] };

/** What a user may do, each with all its reasons; without reasons for what they may not. */
export function effective(
  user: Pick<User, 'role' | 'groups' | 'grants'>,
  roles: readonly Role[],
  groups: readonly Group[],
): Effective[] {
  const own = new Set(roles.find((one) => one.role === user.role)?.permissions);
  const member = groups.filter((group) => user.groups.includes(group.id));
  return allPermissions(roles).map((permission) => ({
    permission,
    sources: [
      ...(own.has(permission) ? [{ kind: 'role' as const }] : []),
      ...member
        .filter((group) => group.permissions.includes(permission))
        .map((group) => ({ kind: 'group' as const, group })),
      ...(user.grants.includes(permission) ? [{ kind: 'grant' as const }] : []),
    ],
  }));
}

/** What a permission is called, what its noun is, and what a role is called. */
export function useAccessWords() {
  const t = useWords();
  return {
    permission: (name: string) => wordFor(t, `permission.${name.replace('.', '_')}`, name),
    noun: (name: string) => wordFor(t, `permission_noun.${name}`, name),
    role: (name: string) => wordFor(t, `role.${name}`, name),
    roleText: (name: string) => wordFor(t, `role_text.${name}`, ''),
  };
}
