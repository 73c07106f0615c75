import { queryOptions } from '@tanstack/react-query';
import { api, ifMatch, unwrap } from '#/api/client';
import type { Conflict } from '#/api/types';
import { LIMIT, listQuery } from '#/lib/pages';

export type ConflictFilters = { state: 'open' | 'resolved'; entity?: string; connection_id?: string };

export function conflictsQuery(filters: ConflictFilters) {
  return listQuery<Conflict>(['conflicts', 'list', filters], (cursor) =>
    unwrap(api.GET('/api/v1/conflicts', { params: { query: { ...filters, cursor, limit: LIMIT } } })),
  );
}

export function conflictQuery(id: string) {
  return queryOptions({
    queryKey: ['conflicts', 'one', id],
    queryFn: () => unwrap(api.GET('/api/v1/conflicts/{id}', { params: { path: { id } } })),
  });
}

export const CHOICES = ['core', 'remote', 'base', 'value'] as const;
export type Choice = (typeof CHOICES)[number];

export type Answer = { choice: Choice; values?: Record<string, unknown>; note?: string };

export function resolve(conflict: Conflict, body: Answer): Promise<Conflict> {
  return unwrap(
    api.POST('/api/v1/conflicts/{id}/resolve', {
      params: { path: { id: conflict.id }, header: { 'If-Match': ifMatch(conflict.version) } },
      body,
    }),
  );
}
