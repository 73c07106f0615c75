import { queryOptions } from '@tanstack/react-query';
import { api, unwrap } from '#/api/client';

/** Roles change with the version of the hub only. */
export const rolesQuery = queryOptions({
  queryKey: ['roles'],
  queryFn: async () => (await unwrap(api.GET('/api/v1/roles'))).items,
  staleTime: 600_000,
});
