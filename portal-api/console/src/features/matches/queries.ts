import { queryOptions } from '@tanstack/react-query';
import { api, ifMatch, unwrap } from '#/api/client';
import type { Match, MatchDetail } from '#/api/types';
import { LIMIT, listQuery } from '#/lib/pages';

export const STATES = ['same', 'different', 'gone'] as const;

export const REASONS = ['possible', 'ambiguous', 'taken', 'being_made'] as const;

/** What the list is narrowed to, as it stands in the address: the open ones where it names no state. */
export type MatchSearch = {
  state?: (typeof STATES)[number];
  why?: (typeof REASONS)[number];
  entity?: 'account' | 'contact';
  connection_id?: string;
};

export function matchesQuery(search: MatchSearch) {
  const filters = { ...search, state: search.state ?? ('open' as const) };
  return listQuery<Match>(['matches', 'list', filters], (cursor) =>
    unwrap(api.GET('/api/v1/matches', { params: { query: { ...filters, cursor, limit: LIMIT } } })),
  );
}

export function matchQuery(id: string) {
  return queryOptions({
    queryKey: ['matches', 'one', id],
    queryFn: () => unwrap(api.GET('/api/v1/matches/{id}', { params: { path: { id } } })),
  });
}

/** The id of a candidate, or that it is none of them. */
export type Whose = string | 'different';

export function answer(match: MatchDetail, whose: Whose, note?: string): Promise<Match> {
  const body =
    whose === 'different'
      ? { choice: 'different' as const, note }
      : { choice: 'same' as const, entity_id: whose, note };
  return unwrap(
    api.POST('/api/v1/matches/{id}/answer', {
      params: { path: { id: match.id }, header: { 'If-Match': ifMatch(match.version) } },
      body,
    }),
  );
}
