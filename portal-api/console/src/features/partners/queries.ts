import { queryOptions } from '@tanstack/react-query';
import { api, ifMatch, unwrap } from '#/api/client';
import type { Partner } from '#/api/types';

/** All of them: the server gives them at once. */
export const partnersQuery = queryOptions({
  queryKey: ['partners', 'list'],
  queryFn: () => unwrap(api.GET('/api/v1/partners')),
});

export function partnerQuery(id: string) {
  return queryOptions({
    queryKey: ['partners', 'one', id],
    queryFn: () => unwrap(api.GET('/api/v1/partners/{id}', { params: { path: { id } } })),
  });
}

export function createPartner(name: string): Promise<Partner> {
  return unwrap(api.POST('/api/v1/partners', { body: { name } }));
}

export function renamePartner(partner: Partner, name: string): Promise<Partner> {
  const params = { path: { id: partner.id }, header: { 'If-Match': ifMatch(partner.version) } };
  return unwrap(api.PUT('/api/v1/partners/{id}', { params, body: { name } }));
}
