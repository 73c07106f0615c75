import { queryOptions } from '@tanstack/react-query';
import { api, ifMatch, unwrap } from '#/api/client';
import type { Group } from '#/api/types';

/** All of them: the server gives them at once. */
export const groupsQuery = queryOptions({
  queryKey: ['groups', 'list'],
  queryFn: () => unwrap(api.GET('/api/v1/groups')),
});

export function groupQuery(id: string) {
  return queryOptions({
    queryKey: ['groups', 'one', id],
    queryFn: () => unwrap(api.GET('/api/v1/groups/{id}', { params: { path: { id } } })),
  });
}

export type GroupInput = Pick<Group, 'name' | 'permissions'>;

export function createGroup(body: GroupInput): Promise<Group> {
  return unwrap(api.POST('/api/v1/groups', { body }));
}

function versioned(group: Group) {
  return { path: { id: group.id }, header: { 'If-Match': ifMatch(group.version) } };
}

export function editGroup(group: Group, body: GroupInput): Promise<Group> {
  return unwrap(api.PUT('/api/v1/groups/{id}', { params: versioned(group), body }));
}

export async function deleteGroup(group: Group): Promise<void> {
  await unwrap(api.DELETE('/api/v1/groups/{id}', { params: versioned(group) }));
}
