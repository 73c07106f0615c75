import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import type { ContactRow } from '#/api/types';
import { connectionNamesQuery } from '#/features/connections/queries';
import { type ContactFilters, contactsQuery, personName, recordQuery } from '#/features/records/queries';
import { RowMarks } from '#/features/records/row-marks';
import { useMay } from '#/features/session/queries';
import { compact, isAnySet, textParam } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Button, buttonLook } from '#/ui/button';
import { FilterBar } from '#/ui/filter-bar';
import { LINK, NAME_LINK } from '#/ui/link';
import { countOf, ListView } from '#/ui/list-view';
import { Page } from '#/ui/page';
import { Search } from '#/ui/search';
import { Select } from '#/ui/select';
import { EmptyState } from '#/ui/states';
import type { Column } from '#/ui/table';
import { Time } from '#/ui/time';
import { textOf, Value } from '#/ui/value';

export const Route = createFileRoute('/_app/contacts/')({
  validateSearch: (search): ContactFilters => ({
    q: textParam(search.q),
    account_id: textParam(search.account_id),
    connection_id: textParam(search.connection_id),
    sort: textParam(search.sort),
  }),
  component: ContactsPage,
});

function ContactsPage() {
  const t = useWords();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const sort = search.sort ?? 'last_name';
  const query = useInfiniteQuery(contactsQuery({ ...search, sort }));
  const seesConnections = useMay()('connections.read');
  const connections = useQuery({ ...connectionNamesQuery, enabled: seesConnections }).data ?? [];
  const account = useQuery({
    ...recordQuery('accounts', search.account_id ?? ''),
    enabled: search.account_id !== undefined,
  }).data;
  const columns = useContactColumns();
  const set = useCallback(
    (change: ContactFilters) =>
      void navigate({ search: (old) => compact({ ...old, ...change }), replace: true }),
    [navigate],
  );
  const find = useCallback((q: string) => set({ q }), [set]);
  const clear = () => void navigate({ search: compact({ sort: search.sort }), replace: true });
  const filtered = isAnySet(search, 'sort');
  return (
    <Page
      fill
      title={account ? t('contacts.of', { account: textOf(account.fields.name) }) : t('contacts.title')}
    >
      <FilterBar count={countOf(query)} word="contacts.count" onClear={filtered ? clear : undefined}>
        <Search
          label={t('contacts.search')}
          clearLabel={t('filter.clear')}
          value={search.q ?? ''}
          onChange={find}
        />
        {seesConnections && (
          <Select
            inline
            label={t('accounts.linked_to')}
            value={search.connection_id ?? ''}
            onChange={(value) => set({ connection_id: value })}
            choices={[
              { value: '', label: t('filter.any') },
              ...connections.map((one) => ({ value: one.id, label: one.name })),
            ]}
          />
        )}
      </FilterBar>
      <ListView
        query={query}
        loading={t('contacts.loading')}
        label={t('contacts.title')}
        columns={columns}
        idOf={(one) => one.id}
        sort={sort}
        onSort={(next) => set({ sort: next })}
        empty={
          filtered ? (
            <EmptyState
              title={t('filter.nothing')}
              action={<Button onPress={clear}>{t('filter.clear')}</Button>}
            />
          ) : (
            <EmptyState
              title={t('contacts.empty')}
              text={t('contacts.empty_text')}
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

function useContactColumns(): Column<ContactRow>[] {
  const t = useWords();
  return useMemo(
    () => [
      {
        id: 'name',
        header: t('contacts.name'),
        width: 'minmax(160px, 1.6fr)',
        sort: 'last_name',
        phone: 'name',
        cell: (one) => (
          <Link to="/contacts/$id" params={{ id: one.id }} className={NAME_LINK}>
            {personName(one.first_name, one.last_name) || t('contacts.nameless')}
          </Link>
        ),
      },
      {
        id: 'state',
        header: t('record.state'),
        width: '148px',
        phone: 'status',
        cell: (one) => <RowMarks conflicts={one.conflicts} writes={one.pending_writes} />,
      },
      {
        id: 'account',
        header: t('contacts.account'),
        width: 'minmax(140px, 1.4fr)',
        hides: 3,
        cell: (one) =>
          one.account ? (
            <Link to="/accounts/$id" params={{ id: one.account.id }} className={LINK}>
              {one.account.name}
            </Link>
          ) : (
            <Value value={null} />
          ),
      },
      {
        id: 'title',
        header: t('contacts.job'),
        width: 'minmax(120px, 1.2fr)',
        hides: 1,
        cell: (one) => <Value value={one.title} />,
      },
      {
        id: 'email',
        header: t('contacts.email'),
        width: 'minmax(160px, 1.6fr)',
        phone: 'fact',
        cell: (one) => <Value value={one.email} />,
      },
      {
        id: 'phone',
        header: t('contacts.phone'),
        width: '148px',
        hides: 2,
        cell: (one) => <Value value={one.phone} />,
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
