import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { connectionNamesQuery } from '#/features/connections/queries';
import { type RunFilters, runsQuery } from '#/features/runs/queries';
import { useRunColumns } from '#/features/runs/run-table';
import { RUN_STATES } from '#/features/runs/state';
import { compact, isAnySet, oneOf, textParam } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { FilterBar } from '#/ui/filter-bar';
import { countOf, ListView } from '#/ui/list-view';
import { Page } from '#/ui/page';
import { Select } from '#/ui/select';
import { EmptyState } from '#/ui/states';

const WORKFLOWS = ['pull_stream', 'push_writes', 'undo_run', 'bulk_runs'] as const;
const CLASSES = [
  'transient',
  'rate_limited',
  'auth',
  'config',
  'rejected',
  'conflict',
  'bug',
  'cancelled',
  'deadline',
] as const;
const PERIODS = { '1h': 3_600_000, '24h': 86_400_000, '7d': 604_800_000 } as const;
type Period = keyof typeof PERIODS;

type RunsSearch = Omit<RunFilters, 'since'> & { last?: Period };

export const Route = createFileRoute('/_app/runs/')({
  validateSearch: (search): RunsSearch => ({
    state: oneOf(search.state, RUN_STATES),
    workflow: textParam(search.workflow),
    connection_id: textParam(search.connection_id),
    key: textParam(search.key),
    error_class: oneOf(search.error_class, CLASSES),
    last: oneOf(search.last, Object.keys(PERIODS) as Period[]),
  }),
  component: RunsPage,
});

function RunsPage() {
  const t = useWords();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const { last, ...filters } = search;
  const query = useInfiniteQuery(runsQuery({ ...filters, since: last && since(last) }));
  const connections = useQuery(connectionNamesQuery);
  const columns = useRunColumns();
  const set = (change: Partial<RunsSearch>) =>
    void navigate({ search: (old) => compact({ ...old, ...change }), replace: true });
  const clear = () => void navigate({ search: {}, replace: true });
  const filtered = isAnySet(search);
  const any = { value: '', label: t('filter.any') };
  return (
    <Page fill title={t('runs.title')}>
      <FilterBar count={countOf(query)} word="runs.count" onClear={filtered ? clear : undefined}>
        <Select
          inline
          label={t('runs.state')}
          value={search.state ?? ''}
          onChange={(value) => set({ state: oneOf(value, RUN_STATES) })}
          choices={[any, ...RUN_STATES.map((state) => ({ value: state, label: t(`run_state.${state}`) }))]}
        />
        <Select
          inline
          label={t('runs.workflow')}
          value={search.workflow ?? ''}
          onChange={(value) => set({ workflow: textParam(value) })}
          choices={[any, ...WORKFLOWS.map((name) => ({ value: name, label: t(`workflow.${name}`) }))]}
        />
        <Select
          inline
          label={t('runs.connection')}
          value={search.connection_id ?? ''}
          onChange={(value) => set({ connection_id: textParam(value) })}
          choices={[any, ...(connections.data ?? []).map((one) => ({ value: one.id, label: one.name }))]}
        />
        <Select
          inline
          label={t('runs.cause')}
          value={search.error_class ?? ''}
          onChange={(value) => set({ error_class: textParam(value) })}
          choices={[any, ...CLASSES.map((name) => ({ value: name, label: t(`error_class.${name}`) }))]}
        />
        <Select
          inline
          label={t('runs.period')}
          value={last ?? ''}
          onChange={(value) => set({ last: oneOf(value, Object.keys(PERIODS) as Period[]) })}
          choices={[
            { value: '', label: t('period.all') },
            { value: '1h', label: t('period.1h') },
            { value: '24h', label: t('period.24h') },
            { value: '7d', label: t('period.7d') },
          ]}
        />
      </FilterBar>
      <ListView
        query={query}
        loading={t('runs.loading')}
        label={t('runs.title')}
        columns={columns}
        idOf={(run) => run.id}
        empty={
          filtered ? (
            <EmptyState
              good={search.state === 'failed'}
              title={t(search.state === 'failed' ? 'runs.none_failed' : 'filter.nothing')}
              action={<Button onPress={clear}>{t('filter.clear')}</Button>}
            />
          ) : (
            <EmptyState title={t('runs.empty')} text={t('runs.empty_text')} />
          )
        }
      />
    </Page>
  );
}

/** The start of the period, to the minute, so that the same question keeps its answer. */
function since(period: Period): string {
  return new Date(Math.floor((Date.now() - PERIODS[period]) / 60_000) * 60_000).toISOString();
}
