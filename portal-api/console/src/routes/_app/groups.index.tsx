import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Plus } from 'lucide-react';
import type { Group } from '#/api/types';
import { Permitted } from '#/app/permitted';
import { useAccessWords } from '#/features/access/permissions';
import { groupsQuery } from '#/features/groups/queries';
import { useMay } from '#/features/session/queries';
import { PeopleNav } from '#/features/users/people-nav';
import { useWords } from '#/lib/words';
import { buttonLook } from '#/ui/button';
import { NAME_LINK } from '#/ui/link';
import { ListPage } from '#/ui/list-page';
import type { Column } from '#/ui/table';
import { Time } from '#/ui/time';

export const Route = createFileRoute('/_app/groups/')({ component: GroupsPage });

function GroupsPage() {
  const t = useWords();
  return (
    <Permitted needs="users.read" title={t('groups.title')}>
      <GroupsList />
    </Permitted>
  );
}

function GroupsList() {
  const t = useWords();
  const words = useAccessWords();
  const may = useMay();
  const query = useQuery(groupsQuery);
  const add = may('users.manage') && (
    <Link to="/groups/new" className={buttonLook('primary')}>
      <Plus aria-hidden size={16} /> {t('groups.add')}
    </Link>
  );
  const columns: Column<Group>[] = [
    {
      id: 'name',
      header: t('groups.name'),
      width: 'minmax(160px, 1fr)',
      phone: 'name',
      cell: (one) => (
        <Link to="/groups/$id" params={{ id: one.id }} className={NAME_LINK}>
          {one.name}
        </Link>
      ),
    },
    {
      id: 'members',
      header: t('groups.members'),
      width: '104px',
      align: 'right',
      phone: 'status',
      cell: (one) => one.members,
    },
    {
      id: 'permissions',
      header: t('groups.gives'),
      width: 'minmax(200px, 3fr)',
      phone: 'fact',
      cell: (one) => {
        const text = one.permissions.map(words.permission).join(' · ');
        return <span title={text}>{text || t('groups.gives_nothing')}</span>;
      },
    },
    {
      id: 'created',
      header: t('users.created'),
      width: '132px',
      hides: 2,
      cell: (one) => <Time at={one.created_at} as="age" />,
    },
  ];
  return (
    <ListPage
      title={t('groups.title')}
      counted={(count) => t('groups.count', { count })}
      nav={<PeopleNav />}
      query={query}
      loading={t('groups.loading')}
      empty={{ title: t('groups.empty'), text: t('groups.empty_text') }}
      add={add}
      columns={columns}
    />
  );
}
