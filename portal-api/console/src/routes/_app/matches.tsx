import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { QuestionFilters } from '#/features/conflicts/question-filters';
import { QuestionsNav } from '#/features/conflicts/questions-nav';
import { MatchList } from '#/features/matches/match-list';
import { MatchView } from '#/features/matches/match-view';
import { type MatchSearch, matchesQuery, matchQuery, REASONS, STATES } from '#/features/matches/queries';
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

type MatchesSearch = MatchSearch & { id?: string };

export const Route = createFileRoute('/_app/matches')({
  validateSearch: (search): MatchesSearch => ({
    state: oneOf(search.state, STATES),
    why: oneOf(search.why, REASONS),
    entity: oneOf(search.entity, ['account', 'contact'] as const),
    connection_id: textParam(search.connection_id),
    id: textParam(search.id),
  }),
  component: MatchesPage,
});

function MatchesPage() {
  const t = useWords();
  const { id, ...filters } = Route.useSearch();
  const navigate = Route.useNavigate();
  const query = useInfiniteQuery(matchesQuery(filters));
  const set = (change: MatchesSearch) =>
    void navigate({ search: (old) => compact({ ...old, ...change }), replace: true, resetScroll: false });
  const any = { value: '', label: t('filter.any') };
  const filtered = isAnySet(filters);
  const clear = () => void navigate({ search: {}, replace: true });
  return (
    <Page fill title={t('matches.title')}>
      <QuestionsNav />
      <FilterBar
        hasRows={false}
        count={countOf(query)}
        word={filters.state ? 'matches.count_ended' : 'matches.count'}
        onClear={filtered ? clear : undefined}
      >
        <Select
          inline
          label={t('matches.state')}
          value={filters.state ?? ''}
          onChange={(value) => set({ state: oneOf(value, STATES), id: undefined })}
          choices={[
            { value: '', label: t('matches.state_open') },
            ...STATES.map((state) => ({ value: state, label: t(`matches.state_${state}`) })),
          ]}
        />
        <Select
          inline
          label={t('matches.why')}
          value={filters.why ?? ''}
          onChange={(value) => set({ why: oneOf(value, REASONS), id: undefined })}
          choices={[any, ...REASONS.map((why) => ({ value: why, label: t(`matches.why_${why}`) }))]}
        />
        <QuestionFilters about={filters} onChange={(change) => set({ ...change, id: undefined })} />
      </FilterBar>
      <Queue
        query={query}
        loading={t('matches.loading')}
        label={t('matches.queue')}
        one={t('matches.one')}
        id={id}
        onSelect={(id) => set({ id })}
        list={(matches, selected) => <MatchList matches={matches} selected={selected} filters={filters} />}
        back={
          <Link to="/matches" search={filters} className={LINK}>
            {t('matches.back')}
          </Link>
        }
        empty={
          <EmptyState
            good={!filtered}
            title={t(filtered ? 'filter.nothing' : 'matches.none')}
            text={filtered ? undefined : t('matches.none_text')}
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
  const query = useQuery(matchQuery(id));
  return (
    <QueryView query={query} loading={t('matches.loading')}>
      {(match) => <MatchView key={match.version} match={match} onNext={onNext} />}
    </QueryView>
  );
}
