import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { ArrowRightLeft, Plus } from 'lucide-react';
import { useMemo } from 'react';
import type { AccountRow } from '#/api/types';
import { accountsQuery } from '#/features/records/queries';
import { useMay } from '#/features/session/queries';
import '#/features/teams/words';
import { useWords } from '#/lib/words';
import { buttonLook } from '#/ui/button';
import { LINK, NAME_LINK } from '#/ui/link';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { EmptyState } from '#/ui/states';
import { type Column, Table } from '#/ui/table';
import { Value } from '#/ui/value';

type Props = {
  /** Id of a user, a team or a partner. */
  holder: string;
  title: string;
  empty: string;
};

/** The accounts that somebody looks after, with the ways to give them more or to hand them over. */
export function HeldAccounts({ holder, title, empty }: Props) {
  const t = useWords();
  const may = useMay();
  const query = useInfiniteQuery(accountsQuery({ assigned_to: holder, sort: 'name' }));
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const total = query.data?.pages[0]?.total;
  const columns = useShortColumns();
  const manages = may('teams.manage');
  return (
    <Panel
      title={title}
      flush
      actions={
        <>
          {total != null && total > 0 && (
            <Link to="/accounts" search={{ assigned_to: holder }} className={`${LINK} numeric text-sm`}>
              {t('accounts.count', { count: total })}
            </Link>
          )}
          {manages && total != null && total > 0 && (
            <Link to="/assignments" search={{ from: holder }} className={buttonLook('plain', 'small')}>
              <ArrowRightLeft aria-hidden size={14} /> {t('transfer.short')}
            </Link>
          )}
          {manages && (
            <Link
              to="/assignments"
              search={{ deed: 'assign', way: 'ticked', to: holder }}
              className={buttonLook('plain', 'small')}
            >
              <Plus aria-hidden size={14} /> {t('assign.accounts')}
            </Link>
          )}
        </>
      }
    >
      <QueryView query={query} loading={t('accounts.loading')} skeletonRows={4}>
        {() =>
          rows.length === 0 ? (
            <EmptyState title={empty} />
          ) : (
            <Table
              whole
              label={title}
              columns={columns}
              rows={rows}
              idOf={(one) => one.id}
              total={total}
              hasMore={query.hasNextPage}
              isLoadingMore={query.isFetchingNextPage}
              onMore={() => void query.fetchNextPage()}
            />
          )
        }
      </QueryView>
    </Panel>
  );
}

/** Of accounts inside another page. */
export function useShortColumns(): Column<AccountRow>[] {
  const t = useWords();
  return useMemo(
    () => [
      {
        id: 'name',
        header: t('accounts.name'),
        width: 'minmax(160px, 2fr)',
        phone: 'name',
        cell: (one) => (
          <Link to="/accounts/$id" params={{ id: one.id }} className={NAME_LINK}>
            {one.name}
          </Link>
        ),
      },
      {
        id: 'industry',
        header: t('accounts.industry'),
        width: 'minmax(100px, 1fr)',
        phone: 'fact',
        hides: 2,
        cell: (one) => <Value value={one.industry} />,
      },
      {
        id: 'city',
        header: t('accounts.city'),
        width: 'minmax(100px, 1fr)',
        phone: 'fact',
        hides: 3,
        cell: (one) => <Value value={one.billing_city} />,
      },
    ],
    [t],
  );
}
