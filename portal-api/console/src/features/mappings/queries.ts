import { queryOptions } from '@tanstack/react-query';
import { api, tagged, unwrap } from '#/api/client';
import type { Mapping, MappingSummary, MappingVersion } from '#/api/types';
import { LIMIT, listQuery } from '#/lib/pages';

export function mappingsQuery(filters: { connection_id?: string }) {
  return listQuery<MappingSummary>(['mappings', 'list', filters], (cursor) =>
    unwrap(api.GET('/api/v1/mappings', { params: { query: { ...filters, cursor, limit: LIMIT } } })),
  );
}

/** A mapping with the tag its next save must name. */
export type TaggedMapping = Mapping & { etag: string };

export function mappingQuery(id: string) {
  return queryOptions({
    queryKey: ['mappings', 'one', id],
    queryFn: (): Promise<TaggedMapping> =>
      tagged(api.GET('/api/v1/mappings/{id}', { params: { path: { id } } })),
  });
}

/** All of them: a mapping has few, and the server gives them at once. */
export function versionsQuery(id: string) {
  return queryOptions({
    queryKey: ['mappings', 'versions', id],
    queryFn: async (): Promise<MappingVersion[]> => {
      const page = await unwrap(api.GET('/api/v1/mappings/{id}/versions', { params: { path: { id } } }));
      return page.items;
    },
  });
}

export function versionQuery(id: string, version: number) {
  return queryOptions({
    queryKey: ['mappings', 'version', id, version],
    queryFn: () =>
      unwrap(api.GET('/api/v1/mappings/{id}/versions/{version}', { params: { path: { id, version } } })),
    staleTime: 600_000,
  });
}

type Text = Pick<Mapping, 'connection_id' | 'stream'> & { text: string };

/** What the server finds in a text before it is saved. */
export function checkQuery({ connection_id, stream, text }: Text) {
  return queryOptions({
    queryKey: ['mapping-check', connection_id, stream, text],
    queryFn: () => unwrap(api.POST('/api/v1/mappings/check', { body: { connection_id, stream, text } })),
    staleTime: 60_000,
    gcTime: 30_000,
  });
}

export type Save = { id: string; etag: string; text: string; publish: boolean };

export function saveMapping({ id, etag, text, publish }: Save): Promise<TaggedMapping> {
  return tagged(
    api.PUT('/api/v1/mappings/{id}', {
      params: { path: { id }, header: { 'If-Match': etag } },
      body: { text, publish },
    }),
  );
}
