import { queryOptions } from '@tanstack/react-query';
import { api, unwrap } from '#/api/client';
import { pollEvery } from '#/api/live';

export const overviewQuery = queryOptions({
  queryKey: ['overview'],
  queryFn: () => unwrap(api.GET('/api/v1/overview')),
  refetchInterval: pollEvery(30_000, 6_000),
});
