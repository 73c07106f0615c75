import { queryOptions } from '@tanstack/react-query';
import { api, unwrap } from '#/api/client';
import { pollEvery } from '#/api/live';
import type { Overview } from '#/api/types';

export const overviewQuery = queryOptions({
  queryKey: ['overview'],
  queryFn: async () => (await unwrap(api.GET('/api/v1/overview'))) as unknown as Overview,
  refetchInterval: pollEvery(30_000, 6_000),
});
