import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Plus } from 'lucide-react';
import { useMemo } from 'react';
import type { Erasure } from '#/api/types';
import { Permitted } from '#/app/permitted';
import { ErasurePill } from '#/features/privacy/erasure-pill';
import { SubjectName } from '#/features/privacy/person-name';
import { PrivacyNav } from '#/features/privacy/privacy-nav';
import { erasuresQuery } from '#/features/privacy/queries';
import { ReportButton } from '#/features/privacy/report-button';
import { ERASURE_STATES } from '#/features/privacy/states';
import { UserName } from '#/features/users/user-name';
import { oneOf } from '#/lib/search';
import { useWords, wordFor } from '#/lib/words';
import { Button, buttonLook } from '#/ui/button';
import { FilterBar } from '#/ui/filter-bar';
import { NAME_LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { QueryView } from '#/ui/query-view';
import { Select } from '#/ui/select';
import { EmptyState } from '#/ui/states';
import { type Column, Table } from '#/ui/table';
import { Time } from '#/ui/time';

export const Route = createFileRoute('/_app/erasures/')({
  validateSearch: (search): { state?: (typeof ERASURE_STATES)[number] } => ({
    state: oneOf(search.state, ERASURE_STATES),
  }),
  component: ErasuresPage,
});

function ErasuresPage() {
  const t = useWords();
  return (
    <Permitted needs="privacy.manage" title={t('erasures.title')}>
      <Erasures />
    </Permitted>
  );
}

function Erasures() {
  const t = useWords();
  const { state } = Route.useSearch();
  const navigate = Route.useNavigate();
  const query = useQuery(erasuresQuery);
  const columns = useErasureColumns();
  const shown = query.data?.filter((one) => state === undefined || one.state === state);
  const show = (next: string) =>
    void navigate({ search: { state: oneOf(next, ERASURE_STATES) }, replace: true });
  const add = (
    <Link to="/erasures/new" className={buttonLook('primary')}>
      <Plus aria-hidden size={16} /> {t('erasures.add')}
    </Link>
  );
  return (
    <Page
      fill
      title={t('erasures.title')}
      actions={
        <>
          <ReportButton />
          {add}
        </>
      }
    >
      <PrivacyNav />
      <FilterBar count={shown?.length} word="erasures.count" onClear={state && (() => show(''))}>
        <Select
          inline
          label={t('erasures.state')}
          value={state ?? ''}
          onChange={show}
          choices={[
            { value: '', label: t('filter.any') },
            ...ERASURE_STATES.map((one) => ({ value: one, label: t(`erasure_state.${one}`) })),
          ]}
        />
      </FilterBar>
      <div className="relative flex min-h-0 flex-1 flex-col overflow-hidden rounded-panel border border-line bg-surface">
        <QueryView query={query} loading={t('erasures.loading')} skeletonRows={6}>
          {(all) =>
            shown === undefined || shown.length === 0 ? (
              all.length > 0 ? (
                <EmptyState
                  title={t('filter.nothing')}
                  action={<Button onPress={() => show('')}>{t('filter.clear')}</Button>}
                />
              ) : (
                <EmptyState title={t('erasures.empty')} text={t('erasures.empty_text')} action={add} />
              )
            ) : (
              <Table
                label={t('erasures.title')}
                columns={columns}
                rows={shown}
                idOf={(one) => one.id}
                total={shown.length}
              />
            )
          }
        </QueryView>
      </div>
    </Page>
  );
}

function useErasureColumns(): Column<Erasure>[] {
  const t = useWords();
  return useMemo(
    () => [
      {
        id: 'person',
        header: t('privacy.person'),
        width: 'minmax(160px, 1.4fr)',
        phone: 'name',
        cell: (one) => (
          <Link to="/erasures/$id" params={{ id: one.id }} className={NAME_LINK}>
            <SubjectName erasure={one} link={false} />
          </Link>
        ),
      },
      {
        id: 'state',
        header: t('erasures.state'),
        width: '168px',
        phone: 'status',
        cell: (one) => <ErasurePill erasure={one} />,
      },
      {
        id: 'kind',
        header: t('erasures.kind'),
        width: 'minmax(120px, 1fr)',
        phone: 'fact',
        hides: 3,
        cell: (one) => wordFor(t, `erasure_kind.${one.kind}`, one.kind),
      },
      {
        id: 'asked_by',
        header: t('erasures.asked_by'),
        width: 'minmax(120px, 1fr)',
        hides: 2,
        cell: (one) => <UserName id={one.asked_by} />,
      },
      {
        id: 'asked',
        header: t('erasures.asked'),
        width: '124px',
        phone: 'fact',
        cell: (one) => <Time at={one.asked_at} as="age" />,
      },
      {
        id: 'hold',
        header: t('erasures.held_until'),
        width: '132px',
        hides: 3,
        cell: (one) => <Time at={one.state === 'approved' ? one.hold_until : null} />,
      },
    ],
    [t],
  );
}
