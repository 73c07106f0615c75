import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Plus } from 'lucide-react';
import type { Team } from '#/api/types';
import { Permitted } from '#/app/permitted';
import { useMay } from '#/features/session/queries';
import { teamsQuery } from '#/features/teams/queries';
import { PeopleNav } from '#/features/users/people-nav';
import { useWords } from '#/lib/words';
import { buttonLook } from '#/ui/button';
import { Counted } from '#/ui/counted';
import { NAME_LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { QueryView } from '#/ui/query-view';
import { EmptyState } from '#/ui/states';
import { type Column, Table } from '#/ui/table';
import { Time } from '#/ui/time';

export const Route = createFileRoute('/_app/teams/')({ component: TeamsPage });

function TeamsPage() {
  const t = useWords();
  return (
    <Permitted needs="teams.read" title={t('teams.title')}>
      <TeamsList />
    </Permitted>
  );
}

function TeamsList() {
  const t = useWords();
  const may = useMay();
  const query = useQuery(teamsQuery);
  const add = may('teams.manage') && (
    <Link to="/teams/new" className={buttonLook('primary')}>
      <Plus aria-hidden size={16} /> {t('teams.add')}
    </Link>
  );
  const columns: Column<Team>[] = [
    {
      id: 'name',
      header: t('teams.name'),
      width: 'minmax(160px, 2fr)',
      phone: 'name',
      cell: (one) => (
        <Link to="/teams/$id" params={{ id: one.id }} className={NAME_LINK}>
          {one.name}
        </Link>
      ),
    },
    {
      id: 'members',
      header: t('teams.members'),
      width: '120px',
      align: 'right',
      phone: 'fact',
      cell: (one) => (
        <Counted words={t('teams.members_count', { count: one.members.length })} count={one.members.length} />
      ),
    },
    {
      id: 'accounts',
      header: t('accounts.title'),
      width: '120px',
      align: 'right',
      phone: 'fact',
      cell: (one) => <Counted words={t('accounts.count', { count: one.accounts })} count={one.accounts} />,
    },
    {
      id: 'created',
      header: t('users.created'),
      width: 'minmax(132px, 1fr)',
      hides: 3,
      cell: (one) => <Time at={one.created_at} as="age" />,
    },
  ];
  return (
    <Page
      fill
      title={t('teams.title')}
      aside={
        query.data && (
          <span className="numeric text-sm text-ink-2">
            {t('teams.count', { count: query.data.items.length })}
          </span>
        )
      }
      actions={add}
    >
      <PeopleNav />
      <div className="relative flex min-h-0 flex-1 flex-col overflow-hidden rounded-panel border border-line bg-surface">
        <QueryView query={query} loading={t('teams.loading')} skeletonRows={6}>
          {({ items }) =>
            items.length === 0 ? (
              <EmptyState title={t('teams.empty')} text={t('teams.empty_text')} action={add} />
            ) : (
              <Table
                label={t('teams.title')}
                columns={columns}
                rows={items}
                idOf={(one) => one.id}
                total={items.length}
              />
            )
          }
        </QueryView>
      </div>
    </Page>
  );
}
