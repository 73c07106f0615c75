import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { AccountRow } from '#/api/types';
import { accountsQuery, catalogueQuery } from '#/features/records/queries';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { CheckBox } from '#/ui/check-box';
import { countOf } from '#/ui/list-view';
import { QueryView } from '#/ui/query-view';
import { Search } from '#/ui/search';
import { Select } from '#/ui/select';
import { EmptyState } from '#/ui/states';
import { type Column, Table } from '#/ui/table';
import { useShortColumns } from './held-accounts';
import type { Filters } from './order';

type AccountsProps = {
  filters: Filters;
  /** Whose accounts; the empty text while nobody is chosen, `null` for those of all. */
  holder: string | null;
  onFilter: (change: Filters) => void;
  /** Those that were ticked; `null` where all that match are meant. */
  ticked: ReadonlySet<string> | null;
  onTick: (ticked: ReadonlySet<string>) => void;
};

/** The accounts that are meant: all that match, or those that are ticked among them. */
export function TransferAccounts({ filters, holder, onFilter, ticked, onTick }: AccountsProps) {
  const t = useWords();
  const fields = useQuery(catalogueQuery('accounts')).data;
  const query = useInfiniteQuery({
    ...accountsQuery({ ...filters, assigned_to: holder ?? undefined, sort: 'name' }),
    enabled: holder !== '',
  });
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const short = useShortColumns();
  const columns = useMemo((): Column<AccountRow>[] => {
    if (!ticked) return short;
    const box: Column<AccountRow> = {
      id: 'ticked',
      header: t('transfer.chosen'),
      width: '84px',
      phone: 'status',
      cell: (one) => (
        <CheckBox
          bare
          label={t('transfer.tick', { name: one.name })}
          value={ticked.has(one.id)}
          onChange={(on) => {
            const next = new Set(ticked);
            if (on) next.add(one.id);
            else next.delete(one.id);
            onTick(next);
          }}
        />
      ),
    };
    return [box, ...short];
  }, [ticked, onTick, short, t]);
  const count = countOf(query);
  if (holder === '') return <EmptyState title={t('transfer.from_first')} text={t('transfer.from_text')} />;
  const choices = (name: string) => [
    { value: '', label: t('filter.any') },
    ...(fields?.find((field) => field.name === name)?.choices ?? []).map((one) => ({
      value: one,
      label: one,
    })),
  ];
  return (
    <>
      <div
        role="search"
        aria-label={t('filter.label')}
        className="flex flex-wrap items-center gap-x-3 gap-y-2 border-b border-line px-4 py-3"
      >
        <Search
          label={t('accounts.search')}
          clearLabel={t('filter.clear')}
          value={filters.q ?? ''}
          onChange={(q) => onFilter({ q })}
        />
        {(['industry', 'tier', 'type'] as const).map(
          (name) =>
            choices(name).length > 1 && (
              <Select
                key={name}
                inline
                label={t(`accounts.${name}`)}
                value={filters[name] ?? ''}
                onChange={(value) => onFilter({ [name]: value })}
                choices={choices(name)}
              />
            ),
        )}
        {ticked && rows.length > 0 && (
          <Button size="small" onPress={() => onTick(new Set([...ticked, ...rows.map((one) => one.id)]))}>
            {t('transfer.tick_all', { count: rows.length })}
          </Button>
        )}
        {ticked && ticked.size > 0 && (
          <Button size="small" look="quiet" onPress={() => onTick(new Set())}>
            {t('transfer.tick_none')}
          </Button>
        )}
        <p aria-live="polite" className="numeric ml-auto text-sm text-ink-2">
          {count !== undefined && t('accounts.count', { count })}
        </p>
      </div>
      <QueryView query={query} loading={t('accounts.loading')} skeletonRows={6}>
        {() =>
          rows.length === 0 ? (
            <EmptyState title={t('filter.nothing')} text={t('transfer.none')} />
          ) : (
            <Table
              whole
              label={t('transfer.which')}
              columns={columns}
              rows={rows}
              idOf={(one) => one.id}
              total={query.data?.pages[0]?.total}
              hasMore={query.hasNextPage}
              isLoadingMore={query.isFetchingNextPage}
              onMore={() => void query.fetchNextPage()}
            />
          )
        }
      </QueryView>
    </>
  );
}
