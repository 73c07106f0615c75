import { queryOptions } from '@tanstack/react-query';
import { api, ifMatch, tagged, unwrap } from '#/api/client';
import type { MadeTenant, NewTenant, Tenant, TenantQuotas, TenantUsage } from '#/api/types';

/** All of them: the server gives them at once. */
export const tenantsQuery = queryOptions({
  queryKey: ['tenants', 'list'],
  queryFn: () => unwrap(api.GET('/api/v1/tenants')),
});

export function tenantQuery(id: string) {
  return queryOptions({
    queryKey: ['tenants', 'one', id],
    queryFn: () => unwrap(api.GET('/api/v1/tenants/{id}', { params: { path: { id } } })),
  });
}

export function createTenant(body: NewTenant): Promise<MadeTenant> {
  return unwrap(api.POST('/api/v1/tenants', { body }));
}

export type TenantInput = { name: string; environment: string };

export function editTenant(tenant: Tenant, body: Partial<TenantInput>): Promise<Tenant> {
  const params = { path: { id: tenant.id }, header: { 'If-Match': ifMatch(tenant.version) } };
  return unwrap(api.PATCH('/api/v1/tenants/{id}', { params, body }));
}

export function suspendTenant({ id, reason }: { id: string; reason: string }): Promise<Tenant> {
  return unwrap(api.POST('/api/v1/tenants/{id}/suspend', { params: { path: { id } }, body: { reason } }));
}

export function resumeTenant(id: string): Promise<Tenant> {
  return unwrap(api.POST('/api/v1/tenants/{id}/resume', { params: { path: { id } } }));
}

export function recountTenant(id: string): Promise<TenantUsage> {
  return unwrap(api.POST('/api/v1/tenants/{id}/recount', { params: { path: { id } } }));
}

export type TaggedQuotas = TenantQuotas & { etag: string };

export function quotasQuery(id: string) {
  return queryOptions({
    queryKey: ['tenants', 'quotas', id],
    queryFn: (): Promise<TaggedQuotas> =>
      tagged(api.GET('/api/v1/tenants/{id}/quotas', { params: { path: { id } } })),
  });
}

export function saveQuotas(id: string, { etag, ...body }: TaggedQuotas): Promise<TaggedQuotas> {
  const params = { path: { id }, header: { 'If-Match': etag } };
  return tagged(api.PUT('/api/v1/tenants/{id}/quotas', { params, body }));
}
