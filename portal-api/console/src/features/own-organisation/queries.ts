import { queryOptions } from '@tanstack/react-query';
import { api, ifMatch, unwrap } from '#/api/client';
import type { Group, Invited, PasswordLink, User } from '#/api/types';
import { LIMIT, listQuery } from '#/lib/pages';

export const organisationQuery = queryOptions({
  queryKey: ['own-organisation', 'itself'],
  queryFn: () => unwrap(api.GET('/api/v1/organisation')),
});

export const peopleQuery = listQuery<User>(['own-organisation', 'people'], (cursor) =>
  unwrap(api.GET('/api/v1/organisation/people', { params: { query: { cursor, limit: LIMIT } } })),
);

export function personQuery(id: string) {
  return queryOptions({
    queryKey: ['own-organisation', 'person', id],
    queryFn: () => unwrap(api.GET('/api/v1/organisation/people/{id}', { params: { path: { id } } })),
  });
}

export const ownGroupsQuery = queryOptions({
  queryKey: ['own-organisation', 'groups'],
  queryFn: async () => (await unwrap(api.GET('/api/v1/organisation/groups'))).items,
});

export type NewPerson = { email: string; name: string; role: string };

export function invite(body: NewPerson): Promise<Invited> {
  return unwrap(api.POST('/api/v1/organisation/people', { body }));
}

export type PersonChange = { name?: string; role?: string; groups?: string[]; grants?: string[] };

export function editPerson(person: User, body: PersonChange): Promise<User> {
  const params = { path: { id: person.id }, header: { 'If-Match': ifMatch(person.version) } };
  return unwrap(api.PATCH('/api/v1/organisation/people/{id}', { params, body }));
}

export function changeState(person: User): Promise<User> {
  const params = { path: { id: person.id } };
  return person.state === 'deactivated'
    ? unwrap(api.POST('/api/v1/organisation/people/{id}/reactivate', { params }))
    : unwrap(api.POST('/api/v1/organisation/people/{id}/deactivate', { params }));
}

export function resend(id: string): Promise<PasswordLink> {
  return unwrap(api.POST('/api/v1/organisation/people/{id}/link', { params: { path: { id } } }));
}

export type GroupInput = Pick<Group, 'name' | 'permissions'>;

export function saveGroup(group: Group | null, body: GroupInput): Promise<Group> {
  if (group === null) return unwrap(api.POST('/api/v1/organisation/groups', { body }));
  const params = { path: { id: group.id }, header: { 'If-Match': ifMatch(group.version) } };
  return unwrap(api.PUT('/api/v1/organisation/groups/{id}', { params, body }));
}

export async function removeGroup(group: Group): Promise<void> {
  const params = { path: { id: group.id }, header: { 'If-Match': ifMatch(group.version) } };
  await unwrap(api.DELETE('/api/v1/organisation/groups/{id}', { params }));
}
