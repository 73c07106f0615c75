import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import type { AccountRow } from '#/api/types';
import { defaultHolder, EVERYBODY, holderOf } from '#/features/assignments/default-holder';
import { HolderFilter } from '#/features/assignments/holder-filter';
import { HolderNames } from '#/features/assignments/holders';
import { connectionNamesQuery } from '#/features/connections/queries';
import { type AccountFilters, accountsQuery, catalogueQuery } from '#/features/records/queries';
import { RowMarks } from '#/features/records/row-marks';
import { sessionQuery, useMay } from '#/features/session/queries';
import { compact, isAnySet, textParam } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Button, buttonLook } from '#/ui/button';
import { FilterBar } from '#/ui/filter-bar';
import { NAME_LINK } from '#/ui/link';
import { countOf, ListView } from '#/ui/list-view';
import { Page } from '#/ui/page';
import { Search } from '#/ui/search';
import { Select } from '#/ui/select';
import { EmptyState } from '#/ui/states';
import type { Column } from '#/ui/table';
import { Time } from '#/ui/time';
import { Value } from '#/ui/value';

export const Route = createFileRoute('/_app/accounts/')({
  validateSearch: (search): AccountFilters => ({
    q: textParam(search.q),
    industry: textParam(search.industry),
    tier: textParam(search.tier),
    type: textParam(search.type),
    country: textParam(search.country),
    connection_id: textParam(search.connection_id),
    assigned_to: textParam(search.assigned_to),
    sort: textParam(search.sort),
  }),
  component: AccountsPage,
});

function AccountsPage() {
  const t = useWords();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const sort = search.sort ?? 'name';
  const begins = defaultHolder(useQuery(sessionQuery).data);
  const assigned_to = holderOf(search.assigned_to, begins);
  const query = useInfiniteQuery(accountsQuery({ ...search, assigned_to, sort }));
  const may = useMay();
  const seesConnections = may('connections.read');
  const connections = useQuery({ ...connectionNamesQuery, enabled: seesConnections }).data ?? [];
  const fields = useQuery(catalogueQuery('accounts')).data;
  const columns = useAccountColumns();
  const set = useCallback(
    (change: AccountFilters) =>
      void navigate({ search: (old) => compact({ ...old, ...change }), replace: true }),
    [navigate],
  );
  const find = useCallback((q: string) => set({ q }), [set]);
  const clear = () =>
    void navigate({
      search: compact({ sort: search.sort, assigned_to: begins && EVERYBODY }),
      replace: true,
    });
  const said = search.assigned_to === EVERYBODY ? undefined : search.assigned_to;
  const filtered = isAnySet({ ...search, assigned_to: said }, 'sort');
  const any = { value: '', label: t('filter.any') };
  const choices = (name: string, chosen: string | undefined) => {
    const known = fields?.find((field) => field.name === name)?.choices ?? [];
    const all = chosen && !known.includes(chosen) ? [...known, chosen] : known;
    return [any, ...all.map((choice) => ({ value: choice, label: choice }))];
  };
  return (
    <Page fill title={t('accounts.title')}>
      <FilterBar count={countOf(query)} word="accounts.count" onClear={filtered ? clear : undefined}>
        <Search
          label={t('accounts.search')}
          clearLabel={t('filter.clear')}
          value={search.q ?? ''}
          onChange={find}
        />
        {(['industry', 'tier', 'type'] as const).map((name) => {
          const options = choices(name, search[name]);
          return (
            options.length > 1 && (
              <Select
                key={name}
                inline
                label={t(`accounts.${name}`)}
                value={search[name] ?? ''}
                onChange={(value) => set({ [name]: value })}
                choices={options}
              />
            )
          );
        })}
        {seesConnections && (
          <Select
            inline
            label={t('accounts.linked_to')}
            value={search.connection_id ?? ''}
            onChange={(value) => set({ connection_id: value })}
            choices={[any, ...connections.map((one) => ({ value: one.id, label: one.name }))]}
          />
        )}
        <HolderFilter
          begins={begins}
          said={search.assigned_to}
          onChange={(assigned_to) => set({ assigned_to })}
        />
      </FilterBar>
      <ListView
        query={query}
        loading={t('accounts.loading')}
        label={t('accounts.title')}
        columns={columns}
        idOf={(one) => one.id}
        sort={sort}
        onSort={(next) => set({ sort: next })}
        empty={
          filtered || assigned_to !== undefined ? (
            <EmptyState
              title={t('filter.nothing')}
              action={<Button onPress={clear}>{t('filter.clear')}</Button>}
            />
          ) : (
            <EmptyState
              title={t('accounts.empty')}
              text={t('accounts.empty_text')}
              action={
                <Link to="/connections" className={buttonLook('primary')}>
                  {t('accounts.empty_action')}
                </Link>
              }
            />
          )
        }
      />
    </Page>
  );
}

function useAccountColumns(): Column<AccountRow>[] {
  const t = useWords();
  return useMemo(
    () => [
      {
        id: 'name',
        header: t('accounts.name'),
        width: 'minmax(180px, 2fr)',
        sort: 'name',
        phone: 'name',
        cell: (one) => (
          <Link to="/accounts/$id" params={{ id: one.id }} className={NAME_LINK}>
            {one.name}
          </Link>
        ),
      },
      {
        id: 'state',
        header: t('record.state'),
        width: '132px',
        phone: 'status',
        cell: (one) => <RowMarks conflicts={one.conflicts} writes={one.pending_writes} />,
      },
      {
        id: 'industry',
        header: t('accounts.industry'),
        width: 'minmax(120px, 1.2fr)',
        phone: 'fact',
        cell: (one) => <Value value={one.industry} />,
      },
      {
        id: 'holders',
        header: t('assign.title'),
        width: 'minmax(120px, 1.2fr)',
        hides: 2,
        cell: (one) => <HolderNames holders={one.assignees} />,
      },
      {
        id: 'tier',
        header: t('accounts.tier'),
        width: '88px',
        hides: 2,
        cell: (one) => <Value value={one.tier} />,
      },
      {
        id: 'type',
        header: t('accounts.type'),
        width: '104px',
        hides: 1,
        cell: (one) => <Value value={one.type} />,
      },
      {
        id: 'city',
        header: t('accounts.city'),
        width: 'minmax(92px, 1fr)',
        hides: 2,
        cell: (one) => <Value value={one.billing_city} />,
      },
      {
        id: 'country',
        header: t('accounts.country'),
        width: '108px',
        hides: 0,
        cell: (one) => <Value value={one.billing_country} />,
      },
      {
        id: 'revenue',
        header: t('accounts.revenue'),
        width: '124px',
        align: 'right',
        hides: 3,
        cell: (one) => <Value value={one.annual_revenue} type="currency" />,
      },
      {
        id: 'updated',
        header: t('record.updated'),
        width: '112px',
        sort: 'updated_at',
        phone: 'fact',
        cell: (one) => <Time at={one.updated_at} as="age" />,
      },
    ],
    [t],
  );
}
