import { queryOptions } from '@tanstack/react-query';
import { api, tagged, unwrap } from '#/api/client';
import { pollEvery } from '#/api/live';
import type { ContactRow, Erasure, ErasurePlan, NewErasure, Retention, SubjectExport } from '#/api/types';

/** All requests: the server gives them at once. */
export const erasuresQuery = queryOptions({
  queryKey: ['erasures', 'list'],
  queryFn: async () => (await unwrap(api.GET('/api/v1/erasures'))).items,
  refetchInterval: pollEvery(30_000, 8_000),
});

export function erasureQuery(id: string) {
  return queryOptions({
    queryKey: ['erasures', 'one', id],
    queryFn: () => unwrap(api.GET('/api/v1/erasures/{id}', { params: { path: { id } } })),
    // Another approves it, and a run carries it out: nobody hears of that by the line of live changes.
    refetchInterval: ({ state }) =>
      state.data?.state === 'approved' ? 3_000 : state.data?.state === 'asked' ? 10_000 : false,
  });
}

/** Of whom: a contact, or somebody who signs in. */
export type Whom = { contact?: string | null; user?: string | null };

/** What forgetting somebody would destroy now. It is asked for anew each time, never taken from what was kept. */
export function erasurePlanQuery({ contact, user }: Whom) {
  return queryOptions({
    queryKey: ['erasures', 'plan', contact ?? user],
    queryFn: (): Promise<ErasurePlan> =>
      user
        ? unwrap(api.GET('/api/v1/users/{id}/erasure', { params: { path: { id: user } } }))
        : unwrap(api.GET('/api/v1/contacts/{id}/erasure', { params: { path: { id: contact ?? '' } } })),
    gcTime: 0,
  });
}

export function askErasure(body: NewErasure): Promise<Erasure> {
  return unwrap(api.POST('/api/v1/erasures', { body }));
}

export type Decision = { id: string; note?: string };

export function approveErasure({ id, note }: Decision): Promise<Erasure> {
  return unwrap(api.POST('/api/v1/erasures/{id}/approve', { params: { path: { id } }, body: { note } }));
}

export function stopErasure({ id, note }: Decision): Promise<Erasure> {
  return unwrap(api.POST('/api/v1/erasures/{id}/stop', { params: { path: { id } }, body: { note } }));
}

/** Contacts by part of name or address. */
export function peopleQuery(q: string) {
  return queryOptions({
    queryKey: ['contacts', 'people', q],
    queryFn: async (): Promise<ContactRow[]> => {
      const query = { q: q === '' ? undefined : q, limit: 20 };
      return (await unwrap(api.GET('/api/v1/contacts', { params: { query } }))).items;
    },
    placeholderData: (previous) => previous,
  });
}

/**
 * The contact of a request. Not under the contacts: they are asked for again when one changes, and of this one nothing
 * may be left by then.
 */
export function personQuery(contact: string) {
  return queryOptions({
    queryKey: ['people', contact],
    queryFn: () => unwrap(api.GET('/api/v1/contacts/{id}', { params: { path: { id: contact } } })),
    retry: false,
    staleTime: 60_000,
  });
}

/** What is being gathered and what can be fetched. */
export const exportsQuery = queryOptions({
  queryKey: ['subject-exports'],
  queryFn: async () => (await unwrap(api.GET('/api/v1/subject-exports'))).items,
  refetchInterval: ({ state }) =>
    state.data?.some((one) => one.done_at === null) ? 2_000 : pollEvery(false, 8_000)(),
});

export function askExport(body: { contact_id: string; reason: string }): Promise<SubjectExport> {
  return unwrap(api.POST('/api/v1/subject-exports', { body }));
}

export const FILE_KINDS = ['json', 'csv'] as const;
export type FileKind = (typeof FILE_KINDS)[number];

/** What was gathered of somebody, as a file. */
export async function fetchExport({ id, kind }: { id: string; kind: FileKind }): Promise<Blob> {
  const params = { path: { id } };
  if (kind === 'csv') return unwrap(api.GET('/api/v1/subject-exports/{id}/csv', { params, parseAs: 'blob' }));
  const body = await unwrap(api.GET('/api/v1/subject-exports/{id}/json', { params }));
  return new Blob([JSON.stringify(body, null, 2)], { type: 'application/json' });
}

export type TaggedRetention = Retention & { etag: string };

export const retentionQuery = queryOptions({
  queryKey: ['retention'],
  queryFn: (): Promise<TaggedRetention> => tagged(api.GET('/api/v1/retention')),
});

export function saveRetention({ etag, days }: TaggedRetention): Promise<TaggedRetention> {
  return tagged(api.PUT('/api/v1/retention', { params: { header: { 'If-Match': etag } }, body: { days } }));
}
