import type { UseQueryResult } from '@tanstack/react-query';
import { formatAge } from '#/lib/format';
import { useWords } from '#/lib/words';
import { ThinBar } from './panel';
import { Skeleton } from './skeleton';
import { ErrorState, StaleBanner } from './states';

export type View<T> = Pick<UseQueryResult<T>, 'data' | 'error' | 'isFetching' | 'dataUpdatedAt' | 'refetch'>;

type QueryViewProps<T> = {
  query: View<T>;
  /** What is being loaded, for screen readers: «Runs are loading». */
  loading: string;
  skeletonRows?: number;
  children: (data: T) => React.ReactNode;
};

/** The four states of anything asked from the server: loading, failed, old and being renewed, there. */
export function QueryView<T>({ query, loading, skeletonRows, children }: QueryViewProps<T>) {
  const t = useWords();
  const { data, error } = query;
  if (data === undefined) {
    if (error) return <ErrorState error={error} onRetry={() => void query.refetch()} />;
    return <Skeleton label={loading} rows={skeletonRows} />;
  }
  return (
    <>
      {query.isFetching && <ThinBar />}
      {error && (
        <StaleBanner loose onRetry={() => void query.refetch()}>
          {t('ui.stale', {
            age: formatAge(new Date(query.dataUpdatedAt).toISOString()),
            reason: error.message,
          })}
        </StaleBanner>
      )}
      {children(data)}
    </>
  );
}
