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
import { Page } from '#/ui/page';
import { QueryView } from '#/ui/query-view';
import { EmptyState } from '#/ui/states';
import { type Column, Table } from '#/ui/table';
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
    <Page
      fill
      title={t('groups.title')}
      aside={
        query.data && (
          <span className="numeric text-sm text-ink-2">
            {t('groups.count', { count: query.data.items.length })}
          </span>
        )
      }
      actions={add}
    >
      <PeopleNav />
      <div className="relative flex min-h-0 flex-1 flex-col overflow-hidden rounded-panel border border-line bg-surface">
        <QueryView query={query} loading={t('groups.loading')} skeletonRows={6}>
          {({ items }) =>
            items.length === 0 ? (
              <EmptyState title={t('groups.empty')} text={t('groups.empty_text')} action={add} />
            ) : (
              <Table
                label={t('groups.title')}
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
