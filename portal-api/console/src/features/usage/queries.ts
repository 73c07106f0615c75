import { queryOptions } from '@tanstack/react-query';
import { api, unwrap } from '#/api/client';
import { pollEvery } from '#/api/live';

export const usageQuery = queryOptions({
  queryKey: ['usage'],
  queryFn: () => unwrap(api.GET('/api/v1/usage')),
  // Nothing tells that a call was made.
  refetchInterval: pollEvery(30_000, 30_000),
});
