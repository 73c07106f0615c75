import { infiniteQueryOptions } from '@tanstack/react-query';
import { pollEvery } from '#/api/live';
import type { Page } from '#/api/types';

/** Rows per request. */
export const LIMIT = 100;

/** A keyset list as a query: pages by cursor, renewed by live changes or, without them, every few seconds. */
export function listQuery<T>(
  key: readonly unknown[],
  fetch: (cursor: string | undefined) => Promise<Page<T>>,
) {
  return infiniteQueryOptions({
    queryKey: [...key],
    queryFn: ({ pageParam }) => fetch(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: Page<T>) => page.next ?? undefined,
    refetchInterval: pollEvery(false, 8_000),
    placeholderData: (previous) => previous,
  });
}
