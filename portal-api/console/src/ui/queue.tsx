import type { InfiniteData, UseInfiniteQueryResult } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { Page } from '#/api/types';
import { useKeys } from '#/lib/keys';
import { useMedia } from '#/lib/media';
import { LoadMore } from './load-more';
import { QueryView } from './query-view';
import { Time } from './time';

type QueueProps<T> = {
  query: UseInfiniteQueryResult<InfiniteData<Page<T>>>;
  loading: string;
  /** What the list is, and one of it. */
  label: string;
  one: string;
  /** The one in the address. */
  id: string | undefined;
  onSelect: (id: string | undefined) => void;
  list: (items: readonly T[], selected: string | null) => React.ReactNode;
  /** A link from one to the list, where only one of them has room. */
  back: React.ReactNode;
  empty: React.ReactNode;
  /** The one that is open, and what opens the next. */
  children: (id: string, onNext: () => void) => React.ReactNode;
};

/** Questions that wait for a person: all of them at the side, one open; J and K go through them. */
export function Queue<T extends { id: string }>(props: QueueProps<T>) {
  const { query, loading, label, one, id, onSelect, list, back, empty, children } = props;
  const wide = useMedia('(min-width: 820px)');
  const items = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);
  // On a phone the list comes first; where there is room for both, the first one stands open.
  const selected = id ?? (wide ? items[0]?.id : undefined) ?? null;
  const at = items.findIndex((item) => item.id === selected);
  function go(by: number) {
    const to = items[Math.min(items.length - 1, Math.max(0, at + by))];
    if (to && to.id !== selected) onSelect(to.id);
  }
  /** After an answer: the one below it, or the one above at the end. */
  function next() {
    const to = items[at + 1] ?? items[at - 1];
    onSelect(to?.id);
  }
  useKeys({ j: () => go(1), k: () => go(-1) });
  const isEmpty = query.data !== undefined && items.length === 0 && !id;
  return (
    <div className="grid min-h-0 flex-1 grid-cols-[minmax(260px,340px)_minmax(0,1fr)] overflow-hidden rounded-panel border border-line bg-surface max-md:grid-cols-1">
      {isEmpty ? (
        empty
      ) : (
        <>
          {(wide || !selected) && (
            <section aria-label={label} className="relative min-h-0 overflow-auto">
              <QueryView query={query} loading={loading}>
                {() => (
                  <>
                    {list(items, selected)}
                    <LoadMore query={query} />
                  </>
                )}
              </QueryView>
            </section>
          )}
          {selected && (
            <section aria-label={one} className="min-h-0 overflow-auto border-l border-line max-md:border-0">
              {!wide && <p className="px-4 pt-3 text-sm">{back}</p>}
              {children(selected, next)}
            </section>
          )}
        </>
      )}
    </div>
  );
}

/** Of the link that a row of a queue is. */
export const QUEUE_LINK =
  'flex flex-col gap-0.5 px-4 py-2.5 no-underline -outline-offset-2 hover:bg-hover aria-[current=true]:bg-accent-soft';

type QueueRowProps = { title: string; since: string; children: React.ReactNode };

/** What stands in such a link: whom it is about, since when, and a line of more. */
export function QueueRow({ title, since, children }: QueueRowProps) {
  return (
    <>
      <span className="flex items-baseline justify-between gap-3">
        <span className="min-w-0 truncate text-sm font-medium text-ink">{title}</span>
        <span className="shrink-0 text-xs text-ink-2">
          <Time at={since} as="age" />
        </span>
      </span>
      <span className="truncate text-xs text-ink-2">{children}</span>
    </>
  );
}
