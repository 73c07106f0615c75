import { queryOptions } from '@tanstack/react-query';
import { api, unwrap } from '#/api/client';
import { pollEvery } from '#/api/live';
import type { RunRow } from '#/api/types';
import { LIMIT, listQuery } from '#/lib/pages';
import { isOver } from './state';

export type RunFilters = {
  state?: RunRow['state'];
  workflow?: string;
  connection_id?: string;
  key?: string;
  error_class?: string;
  since?: string;
};

export function runsQuery(filters: RunFilters) {
  return listQuery<RunRow>(['runs', 'list', filters], (cursor) =>
    unwrap(api.GET('/api/v1/runs', { params: { query: { ...filters, cursor, limit: LIMIT } } })),
  );
}

/** A run with its steps; while it goes on it is asked for again, rarely if changes are pushed to us. */
export function runQuery(id: string) {
  return queryOptions({
    queryKey: ['runs', 'one', id],
    queryFn: () => unwrap(api.GET('/api/v1/runs/{id}', { params: { path: { id } } })),
    refetchInterval: (query) =>
      query.state.data && isOver(query.state.data.state) ? false : pollEvery(4_000, 1_500)(),
  });
}

export function childrenQuery(id: string) {
  return listQuery<RunRow>(['runs', 'children', id], (cursor) =>
    unwrap(
      api.GET('/api/v1/runs/{id}/children', { params: { path: { id }, query: { cursor, limit: LIMIT } } }),
    ),
  );
}

export async function retryRun(id: string): Promise<void> {
  await unwrap(api.POST('/api/v1/runs/{id}/retry', { params: { path: { id } } }));
}

export async function cancelRun(id: string): Promise<void> {
  await unwrap(api.POST('/api/v1/runs/{id}/cancel', { params: { path: { id } } }));
}
