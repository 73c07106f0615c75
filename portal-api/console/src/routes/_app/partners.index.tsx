import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Plus } from 'lucide-react';
import type { Partner } from '#/api/types';
import { Permitted } from '#/app/permitted';
import { partnersQuery } from '#/features/partners/queries';
import { useMay } from '#/features/session/queries';
import { PeopleNav } from '#/features/users/people-nav';
import { useWords } from '#/lib/words';
import { buttonLook } from '#/ui/button';
import { Counted } from '#/ui/counted';
import { NAME_LINK } from '#/ui/link';
import { ListPage } from '#/ui/list-page';
import type { Column } from '#/ui/table';
import { Time } from '#/ui/time';

export const Route = createFileRoute('/_app/partners/')({ component: PartnersPage });

function PartnersPage() {
  const t = useWords();
  return (
    <Permitted needs="teams.read" title={t('partners.title')}>
      <PartnersList />
    </Permitted>
  );
}

function PartnersList() {
  const t = useWords();
  const may = useMay();
  const query = useQuery(partnersQuery);
  const add = may('teams.manage') && (
    <Link to="/partners/new" className={buttonLook('primary')}>
      <Plus aria-hidden size={16} /> {t('partners.add')}
    </Link>
  );
  const columns: Column<Partner>[] = [
    {
      id: 'name',
      header: t('partners.name'),
      width: 'minmax(160px, 2fr)',
      phone: 'name',
      cell: (one) => (
        <Link to="/partners/$id" params={{ id: one.id }} className={NAME_LINK}>
          {one.name}
        </Link>
      ),
    },
    {
      id: 'people',
      header: t('partners.people'),
      width: '120px',
      align: 'right',
      phone: 'fact',
      cell: (one) => <Counted words={t('partners.people_count', { count: one.users })} count={one.users} />,
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
      title={t('partners.title')}
      counted={(count) => t('partners.count', { count })}
      nav={<PeopleNav />}
      query={query}
      loading={t('partners.loading')}
      empty={{ title: t('partners.empty'), text: t('partners.empty_text') }}
      add={add}
      columns={columns}
    />
  );
}
