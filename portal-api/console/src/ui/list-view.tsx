import type { InfiniteData, UseInfiniteQueryResult } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { Page } from '#/api/types';
import { QueryView } from './query-view';
import { Table, type TableProps } from './table';

type ListViewProps<T> = Omit<TableProps<T>, 'rows' | 'total' | 'onMore' | 'hasMore' | 'isLoadingMore'> & {
  query: UseInfiniteQueryResult<InfiniteData<Page<T>>>;
  loading: string;
  empty: React.ReactNode;
};

/** A keyset list with all its states; it asks for the next page when its end comes into sight. */
export function ListView<T>({ query, loading, empty, ...table }: ListViewProps<T>) {
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);
  return (
    <div className="relative flex min-h-0 flex-1 flex-col overflow-hidden rounded-panel border border-line bg-surface">
      <QueryView query={query} loading={loading} skeletonRows={12}>
        {() =>
          rows.length === 0 ? (
            empty
          ) : (
            <Table
              {...table}
              rows={rows}
              total={query.data?.pages[0]?.total}
              hasMore={query.hasNextPage}
              isLoadingMore={query.isFetchingNextPage}
              onMore={() => void query.fetchNextPage()}
            />
          )
        }
      </QueryView>
    </div>
  );
}

/** How many rows are there: the server's figure, or those loaded so far. */
export function countOf(query: UseInfiniteQueryResult<InfiniteData<Page<unknown>>>): number | undefined {
  const pages = query.data?.pages;
  if (!pages) return undefined;
  return pages[0]?.total ?? pages.reduce((sum, page) => sum + page.items.length, 0);
}
