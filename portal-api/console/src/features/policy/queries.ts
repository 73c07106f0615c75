import { queryOptions } from '@tanstack/react-query';
import { api, tagged, unwrap } from '#/api/client';
import type { FactorRules, SecurityPolicy } from '#/api/types';

export type Tagged = SecurityPolicy & { etag: string };

export const policyQuery = queryOptions({
  queryKey: ['policy'],
  queryFn: (): Promise<Tagged> => tagged(api.GET('/api/v1/security')),
});

export function savePolicy({ etag, ...body }: Tagged): Promise<Tagged> {
  return tagged(api.PUT('/api/v1/security', { params: { header: { 'If-Match': etag } }, body }));
}

export const factorRulesQuery = queryOptions({
  queryKey: ['policy', 'factors'],
  queryFn: () => unwrap(api.GET('/api/v1/security/factors')),
});

export type FactorRule = Pick<FactorRules['required'][number], 'role' | 'grace_days'>;

export function saveFactorRules(required: FactorRule[]): Promise<FactorRules> {
  return unwrap(api.PUT('/api/v1/security/factors', { body: { required } }));
}
