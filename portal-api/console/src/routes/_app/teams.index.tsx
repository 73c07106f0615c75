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
import { ListPage } from '#/ui/list-page';
import type { Column } from '#/ui/table';
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
    <ListPage
      title={t('teams.title')}
      counted={(count) => t('teams.count', { count })}
      nav={<PeopleNav />}
      query={query}
      loading={t('teams.loading')}
      empty={{ title: t('teams.empty'), text: t('teams.empty_text') }}
      add={add}
      columns={columns}
    />
  );
}
