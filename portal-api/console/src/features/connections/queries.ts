import { queryOptions } from '@tanstack/react-query';
import { api, ifMatch, unwrap } from '#/api/client';
import { pollEvery } from '#/api/live';
import type { Check, Connection, ConnectionStream, Stream } from '#/api/types';
import { LIMIT, listQuery } from '#/lib/pages';

export function connectionsQuery() {
  return listQuery<Connection>(['connections', 'list'], (cursor) =>
    unwrap(api.GET('/api/v1/connections', { params: { query: { cursor, limit: LIMIT } } })),
  );
}

/** Names for filters and links; a tenant has few connections. */
export const connectionNamesQuery = queryOptions({
  queryKey: ['connections', 'names'],
  queryFn: async () => {
    const page = await unwrap(api.GET('/api/v1/connections', { params: { query: { limit: 200 } } }));
    return page.items.map(({ id, name, system }) => ({ id, name, system }));
  },
  staleTime: 60_000,
});

export function connectionQuery(id: string) {
  return queryOptions({
    queryKey: ['connections', 'one', id],
    queryFn: () => unwrap(api.GET('/api/v1/connections/{id}', { params: { path: { id } } })),
    refetchInterval: pollEvery(false, 8_000),
  });
}

export function streamsQuery(id: string) {
  return queryOptions({
    queryKey: ['connections', 'streams', id],
    queryFn: () => unwrap(api.GET('/api/v1/connections/{id}/streams', { params: { path: { id } } })),
    refetchInterval: pollEvery(false, 8_000),
  });
}

export const systemsQuery = queryOptions({
  queryKey: ['systems'],
  queryFn: () => unwrap(api.GET('/api/v1/systems')),
  staleTime: 600_000,
});

type Config = Record<string, unknown>;

export function createConnection(body: {
  system: string;
  name: string;
  config: Config;
}): Promise<Connection> {
  return unwrap(api.POST('/api/v1/connections', { body }));
}

export function editConnection(
  connection: Connection,
  body: { name?: string; config?: Config },
): Promise<Connection> {
  return unwrap(
    api.PATCH('/api/v1/connections/{id}', {
      params: { path: { id: connection.id }, header: { 'If-Match': ifMatch(connection.version) } },
      body,
    }),
  );
}

export async function deleteConnection(connection: Connection): Promise<void> {
  await unwrap(
    api.DELETE('/api/v1/connections/{id}', {
      params: { path: { id: connection.id }, header: { 'If-Match': ifMatch(connection.version) } },
    }),
  );
}

export function checkConnection(id: string): Promise<Check> {
  return unwrap(api.POST('/api/v1/connections/{id}/check', { params: { path: { id } } }));
}

export async function discover(id: string): Promise<Stream[]> {
  return (await unwrap(api.POST('/api/v1/connections/{id}/discover', { params: { path: { id } } }))).streams;
}

type StreamChange = { id: string; stream: string; version?: number; enabled: boolean; entity: string };

export function setStream({ id, stream, version, ...body }: StreamChange): Promise<ConnectionStream> {
  return unwrap(
    api.PUT('/api/v1/connections/{id}/streams/{stream}', {
      params: { path: { id, stream }, header: version === undefined ? {} : { 'If-Match': ifMatch(version) } },
      body,
    }),
  );
}

export function pull(id: string, stream: string, full: boolean): Promise<{ run_id: string }> {
  return unwrap(
    api.POST('/api/v1/connections/{id}/streams/{stream}/pull', {
      params: { path: { id, stream } },
      body: { full },
    }),
  );
}
