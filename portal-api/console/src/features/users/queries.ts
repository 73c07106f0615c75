import { queryOptions } from '@tanstack/react-query';
import { api, ifMatch, unwrap } from '#/api/client';
import { pollEvery } from '#/api/live';
import type { Invited, PasswordLink, RoleName, User } from '#/api/types';
import { LIMIT, listQuery } from '#/lib/pages';
import type { Belonging } from './belonging';

export const USER_STATES = ['active', 'invited', 'deactivated'] as const;

export type UserFilters = {
  q?: string;
  role?: RoleName;
  state?: (typeof USER_STATES)[number];
  /** A second factor is set up. */
  factor?: 'yes' | 'no';
  group?: string;
  team?: string;
  partner?: string;
};

export function usersQuery({ factor, ...filters }: UserFilters) {
  const has_factor = factor === undefined ? undefined : factor === 'yes';
  return listQuery<User>(['users', 'list', filters, has_factor], (cursor) =>
    unwrap(api.GET('/api/v1/users', { params: { query: { ...filters, has_factor, cursor, limit: LIMIT } } })),
  );
}

/** Names for filters and forms, by part of name or address. */
export function userNamesQuery(q: string) {
  return queryOptions({
    queryKey: ['users', 'names', q],
    queryFn: async () => {
      const query = { q: q === '' ? undefined : q, limit: 50 };
      return (await unwrap(api.GET('/api/v1/users', { params: { query } }))).items;
    },
    staleTime: 30_000,
    placeholderData: (previous) => previous,
  });
}

export function userQuery(id: string) {
  return queryOptions({
    queryKey: ['users', 'one', id],
    queryFn: () => unwrap(api.GET('/api/v1/users/{id}', { params: { path: { id } } })),
    refetchInterval: pollEvery(false, 10_000),
  });
}

export function userSessionsQuery(id: string) {
  return queryOptions({
    queryKey: ['users', 'sessions', id],
    queryFn: () => unwrap(api.GET('/api/v1/users/{id}/sessions', { params: { path: { id } } })),
  });
}

export type NewUser = {
  email: string;
  name: string;
  role: RoleName;
  groups: string[];
} & Partial<Belonging>;

export function inviteUser(body: NewUser): Promise<Invited> {
  return unwrap(api.POST('/api/v1/users', { body }));
}

export type UserChange = {
  name?: string;
  role?: RoleName;
  groups?: string[];
  grants?: string[];
} & Partial<Belonging>;

export function editUser(user: User, body: UserChange): Promise<User> {
  const params = { path: { id: user.id }, header: { 'If-Match': ifMatch(user.version) } };
  return unwrap(api.PATCH('/api/v1/users/{id}', { params, body }));
}

export function deactivateUser(id: string): Promise<User> {
  return unwrap(api.POST('/api/v1/users/{id}/deactivate', { params: { path: { id } } }));
}

export function reactivateUser(id: string): Promise<User> {
  return unwrap(api.POST('/api/v1/users/{id}/reactivate', { params: { path: { id } } }));
}

export function unlockUser(id: string): Promise<User> {
  return unwrap(api.POST('/api/v1/users/{id}/unlock', { params: { path: { id } } }));
}

export function sendLink(id: string): Promise<PasswordLink> {
  return unwrap(api.POST('/api/v1/users/{id}/link', { params: { path: { id } } }));
}

export async function resetFactors(id: string): Promise<void> {
  await unwrap(api.POST('/api/v1/users/{id}/reset-factors', { params: { path: { id } } }));
}

export async function endUserSession({ id, session }: { id: string; session: string }): Promise<void> {
  await unwrap(api.DELETE('/api/v1/users/{id}/sessions/{session}', { params: { path: { id, session } } }));
}

export async function endUserSessions(id: string): Promise<void> {
  await unwrap(api.DELETE('/api/v1/users/{id}/sessions', { params: { path: { id } } }));
}
