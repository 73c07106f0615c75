import { queryOptions } from '@tanstack/react-query';
import { api, ifMatch, unwrap } from '#/api/client';
import { pollEvery } from '#/api/live';
import type { AccountRow, ContactRow, Entity, Page, Provenance, TimelineEntry } from '#/api/types';
import { LIMIT, listQuery } from '#/lib/pages';

/** The two kinds of record the console edits, as the API's paths call them. */
export type Noun = 'accounts' | 'contacts';

export const ENTITY = { accounts: 'account', contacts: 'contact' } as const;

export type AccountFilters = {
  q?: string;
  industry?: string;
  tier?: string;
  type?: string;
  country?: string;
  connection_id?: string;
  /** `me`, `nobody`, or the id of a user, a team or a partner. */
  assigned_to?: string;
  sort?: string;
};

export function accountsQuery(filters: AccountFilters) {
  return listQuery<AccountRow>(['accounts', 'list', filters], (cursor) =>
    unwrap(api.GET('/api/v1/accounts', { params: { query: { ...filters, cursor, limit: LIMIT } } })),
  );
}

export type ContactFilters = { q?: string; account_id?: string; connection_id?: string; sort?: string };

export function contactsQuery(filters: ContactFilters) {
  return listQuery<ContactRow>(['contacts', 'list', filters], (cursor) =>
    unwrap(api.GET('/api/v1/contacts', { params: { query: { ...filters, cursor, limit: LIMIT } } })),
  );
}

const FEW = 6;

/** The first accounts whose name fits, for the palette. */
export function accountNamesQuery(q: string) {
  return queryOptions({
    queryKey: ['accounts', 'names', q],
    queryFn: async () => {
      const page = await unwrap(api.GET('/api/v1/accounts', { params: { query: { q, limit: FEW } } }));
      return page.items.map(({ id, name }) => ({ id, name }));
    },
  });
}

export function contactNamesQuery(q: string) {
  return queryOptions({
    queryKey: ['contacts', 'names', q],
    queryFn: async () => {
      const page = await unwrap(api.GET('/api/v1/contacts', { params: { query: { q, limit: FEW } } }));
      return page.items.map((one) => ({ id: one.id, name: personName(one.first_name, one.last_name) }));
    },
  });
}

export function recordQuery(noun: Noun, id: string) {
  const params = { path: { id } };
  return queryOptions({
    queryKey: [noun, 'one', id],
    queryFn: (): Promise<Entity> =>
      noun === 'accounts'
        ? unwrap(api.GET('/api/v1/accounts/{id}', { params }))
        : unwrap(api.GET('/api/v1/contacts/{id}', { params })),
    refetchInterval: pollEvery(false, 5_000),
  });
}

export function provenanceQuery(noun: Noun, id: string) {
  const params = { path: { id } };
  return queryOptions({
    queryKey: [noun, 'provenance', id],
    queryFn: (): Promise<Provenance> =>
      noun === 'accounts'
        ? unwrap(api.GET('/api/v1/accounts/{id}/provenance', { params }))
        : unwrap(api.GET('/api/v1/contacts/{id}/provenance', { params })),
    // A write that is on its way is the one thing people wait for.
    refetchInterval: (query) =>
      query.state.data?.fields.some((field) => field.sides.some((side) => side.pending))
        ? 2_000
        : pollEvery(false, 5_000)(),
  });
}

export function timelineQuery(noun: Noun, id: string) {
  return listQuery<TimelineEntry>([noun, 'timeline', id], (cursor): Promise<Page<TimelineEntry>> => {
    const params = { path: { id }, query: { cursor, limit: 50 } };
    return noun === 'accounts'
      ? unwrap(api.GET('/api/v1/accounts/{id}/timeline', { params }))
      : unwrap(api.GET('/api/v1/contacts/{id}/timeline', { params }));
  });
}

export function catalogueQuery(noun: Noun) {
  return queryOptions({
    queryKey: ['fields', noun],
    queryFn: () => unwrap(api.GET('/api/v1/fields/{entity}', { params: { path: { entity: ENTITY[noun] } } })),
    staleTime: 600_000,
  });
}

export type Edit = { noun: Noun; id: string; version: number; fields: Record<string, unknown> };

export function editRecord({ noun, id, version, fields }: Edit): Promise<Entity> {
  const params = { path: { id }, header: { 'If-Match': ifMatch(version) } };
  return noun === 'accounts'
    ? unwrap(api.PATCH('/api/v1/accounts/{id}', { params, body: { fields } }))
    : unwrap(api.PATCH('/api/v1/contacts/{id}', { params, body: { fields } }));
}

export function personName(first: string | null | undefined, last: string | null | undefined): string {
  return [first, last].filter(Boolean).join(' ');
}
