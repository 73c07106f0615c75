import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { ConflictList } from '#/features/conflicts/conflict-list';
import { ConflictView } from '#/features/conflicts/conflict-view';
import { conflictQuery, conflictsQuery } from '#/features/conflicts/queries';
import { connectionNamesQuery } from '#/features/connections/queries';
import { useKeys } from '#/lib/keys';
import { useMedia } from '#/lib/media';
import { compact, isAnySet, oneOf, textParam } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { FilterBar } from '#/ui/filter-bar';
import { LINK } from '#/ui/link';
import { countOf } from '#/ui/list-view';
import { Page } from '#/ui/page';
import { QueryView } from '#/ui/query-view';
import { Select } from '#/ui/select';
import { EmptyState } from '#/ui/states';

type ConflictsSearch = {
  state?: 'resolved';
  entity?: 'account' | 'contact';
  connection_id?: string;
  id?: string;
};

export const Route = createFileRoute('/_app/conflicts')({
  validateSearch: (search): ConflictsSearch => ({
    state: oneOf(search.state, ['resolved'] as const),
    entity: oneOf(search.entity, ['account', 'contact'] as const),
    connection_id: textParam(search.connection_id),
    id: textParam(search.id),
  }),
  component: ConflictsPage,
});

function ConflictsPage() {
  const t = useWords();
  const { id, ...filters } = Route.useSearch();
  const navigate = Route.useNavigate();
  const wide = useMedia('(min-width: 820px)');
  const query = useInfiniteQuery(conflictsQuery({ ...filters, state: filters.state ?? 'open' }));
  const connections = useQuery(connectionNamesQuery).data ?? [];
  const conflicts = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);
  // On a phone the list comes first; where there is room for both, the first conflict stands open.
  const selected = id ?? (wide ? conflicts[0]?.id : undefined) ?? null;
  const set = (change: ConflictsSearch) =>
    void navigate({ search: (old) => compact({ ...old, ...change }), replace: true, resetScroll: false });
  const at = conflicts.findIndex((conflict) => conflict.id === selected);
  function go(by: number) {
    const to = conflicts[Math.min(conflicts.length - 1, Math.max(0, at + by))];
    if (to && to.id !== selected) set({ id: to.id });
  }
  /** After an answer: the one below it, or the one above at the end. */
  function next() {
    const to = conflicts[at + 1] ?? conflicts[at - 1];
    set({ id: to?.id });
  }
  useKeys({ j: () => go(1), k: () => go(-1) });
  const any = { value: '', label: t('filter.any') };
  const filtered = isAnySet(filters);
  const clear = () => void navigate({ search: {}, replace: true });
  const list = (
    <section aria-label={t('conflicts.queue')} className="relative min-h-0 overflow-auto">
      <QueryView query={query} loading={t('conflicts.loading')}>
        {() => (
          <>
            <ConflictList conflicts={conflicts} selected={selected} filters={filters} />
            {query.hasNextPage && (
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
            )}
          </>
        )}
      </QueryView>
    </section>
  );
  const isEmpty = query.data !== undefined && conflicts.length === 0 && !id;
  return (
    <Page fill title={t('conflicts.title')}>
      <FilterBar
        hasRows={false}
        count={countOf(query)}
        word={filters.state ? 'conflicts.count_resolved' : 'conflicts.count'}
        onClear={filtered ? clear : undefined}
      >
        <Select
          inline
          label={t('conflicts.state')}
          value={filters.state ?? ''}
          onChange={(value) => set({ state: oneOf(value, ['resolved'] as const), id: undefined })}
          choices={[
            { value: '', label: t('conflicts.open') },
            { value: 'resolved', label: t('conflicts.done') },
          ]}
        />
        <Select
          inline
          label={t('conflicts.entity')}
          value={filters.entity ?? ''}
          onChange={(value) => set({ entity: oneOf(value, ['account', 'contact'] as const), id: undefined })}
          choices={[
            any,
            { value: 'account', label: t('entity.account') },
            { value: 'contact', label: t('entity.contact') },
          ]}
        />
        <Select
          inline
          label={t('runs.connection')}
          value={filters.connection_id ?? ''}
          onChange={(value) => set({ connection_id: value, id: undefined })}
          choices={[any, ...connections.map((one) => ({ value: one.id, label: one.name }))]}
        />
      </FilterBar>
      <div className="grid min-h-0 flex-1 grid-cols-[minmax(260px,340px)_minmax(0,1fr)] overflow-hidden rounded-panel border border-line bg-surface max-md:grid-cols-1">
        {isEmpty ? (
          <EmptyState
            good={!filtered}
            title={t(filtered ? 'filter.nothing' : 'conflicts.none')}
            text={filtered ? undefined : t('conflicts.none_text')}
            action={filtered && <Button onPress={clear}>{t('filter.clear')}</Button>}
          />
        ) : (
          <>
            {(wide || !selected) && list}
            {selected && (
              <section
                aria-label={t('conflicts.one')}
                className="min-h-0 overflow-auto border-l border-line max-md:border-0"
              >
                {!wide && (
                  <p className="px-4 pt-3 text-sm">
                    <Link to="/conflicts" search={filters} className={LINK}>
                      {t('conflicts.back')}
                    </Link>
                  </p>
                )}
                <Selected key={selected} id={selected} onNext={next} />
              </section>
            )}
          </>
        )}
      </div>
    </Page>
  );
}

function Selected({ id, onNext }: { id: string; onNext: () => void }) {
  const t = useWords();
  const query = useQuery(conflictQuery(id));
  return (
    <QueryView query={query} loading={t('conflicts.loading')}>
      {(conflict) => <ConflictView key={conflict.version} conflict={conflict} onNext={onNext} />}
    </QueryView>
  );
}
