import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { ConflictList } from '#/features/conflicts/conflict-list';
import { ConflictView } from '#/features/conflicts/conflict-view';
import { conflictQuery, conflictsQuery } from '#/features/conflicts/queries';
import { QuestionFilters } from '#/features/conflicts/question-filters';
import { QuestionsNav } from '#/features/conflicts/questions-nav';
import { compact, isAnySet, oneOf, textParam } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { FilterBar } from '#/ui/filter-bar';
import { LINK } from '#/ui/link';
import { countOf } from '#/ui/list-view';
import { Page } from '#/ui/page';
import { QueryView } from '#/ui/query-view';
import { Queue } from '#/ui/queue';
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
  const query = useInfiniteQuery(conflictsQuery({ ...filters, state: filters.state ?? 'open' }));
  const set = (change: ConflictsSearch) =>
    void navigate({ search: (old) => compact({ ...old, ...change }), replace: true, resetScroll: false });
  const filtered = isAnySet(filters);
  const clear = () => void navigate({ search: {}, replace: true });
  return (
    <Page fill title={t('conflicts.title')}>
      <QuestionsNav />
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
        <QuestionFilters about={filters} onChange={(change) => set({ ...change, id: undefined })} />
      </FilterBar>
      <Queue
        query={query}
        loading={t('conflicts.loading')}
        label={t('conflicts.queue')}
        one={t('conflicts.one')}
        id={id}
        onSelect={(id) => set({ id })}
        list={(conflicts, selected) => (
          <ConflictList conflicts={conflicts} selected={selected} filters={filters} />
        )}
        back={
          <Link to="/conflicts" search={filters} className={LINK}>
            {t('conflicts.back')}
          </Link>
        }
        empty={
          <EmptyState
            good={!filtered}
            title={t(filtered ? 'filter.nothing' : 'conflicts.none')}
            text={filtered ? undefined : t('conflicts.none_text')}
            action={filtered && <Button onPress={clear}>{t('filter.clear')}</Button>}
          />
        }
      >
        {(id, onNext) => <Selected key={id} id={id} onNext={onNext} />}
      </Queue>
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
