import type { UseInfiniteQueryResult } from '@tanstack/react-query';
import { useWords } from '#/lib/words';
import { Button } from './button';

type More = Pick<UseInfiniteQueryResult, 'hasNextPage' | 'isFetchingNextPage' | 'fetchNextPage'>;

/** Under a list that is read page by page, as long as there is more of it. */
export function LoadMore({ query }: { query: More }) {
  const t = useWords();
  if (!query.hasNextPage) return null;
  return (
    <div className="p-2 text-center">
      <Button
        size="small"
        look="quiet"
        onPress={() => void query.fetchNextPage()}
        isDisabled={query.isFetchingNextPage}
      >
        {query.isFetchingNextPage ? t('ui.loading_more') : t('ui.load_more')}
      </Button>
    </div>
  );
}
