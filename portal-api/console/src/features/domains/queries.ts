import { queryOptions } from '@tanstack/react-query';
import { api, unwrap } from '#/api/client';
import type { Domain } from '#/api/types';

/** All of them: the server gives them at once. */
export const domainsQuery = queryOptions({
  queryKey: ['domains'],
  queryFn: () => unwrap(api.GET('/api/v1/domains')),
});

export function createDomain(host: string): Promise<Domain> {
  return unwrap(api.POST('/api/v1/domains', { body: { host } }));
}

export function verifyDomain(id: string): Promise<Domain> {
  return unwrap(api.POST('/api/v1/domains/{id}/verify', { params: { path: { id } } }));
}

export async function deleteDomain(id: string): Promise<void> {
  await unwrap(api.DELETE('/api/v1/domains/{id}', { params: { path: { id } } }));
}
