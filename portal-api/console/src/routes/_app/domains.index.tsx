import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Plus } from 'lucide-react';
import type { Domain } from '#/api/types';
import { DomainPill } from '#/features/domains/domain-pill';
import { domainsQuery } from '#/features/domains/queries';
import { OrganisationNav } from '#/features/organisation/organisation-nav';
import { Permitted } from '#/features/organisation/permitted';
import { useWords } from '#/lib/words';
import { buttonLook } from '#/ui/button';
import { NAME_LINK } from '#/ui/link';
import { ListPage } from '#/ui/list-page';
import type { Column } from '#/ui/table';
import { Time } from '#/ui/time';

export const Route = createFileRoute('/_app/domains/')({ component: DomainsPage });

function DomainsPage() {
  const t = useWords();
  return (
    <Permitted needs="hub.configure" title={t('domains.title')}>
      <DomainsList />
    </Permitted>
  );
}

function DomainsList() {
  const t = useWords();
  const query = useQuery(domainsQuery);
  const add = (
    <Link to="/domains/new" className={buttonLook('primary')}>
      <Plus aria-hidden size={16} /> {t('domains.add')}
    </Link>
  );
  const columns: Column<Domain>[] = [
    {
      id: 'host',
      header: t('domains.host'),
      width: 'minmax(180px, 2fr)',
      phone: 'name',
      cell: (domain) => (
        <Link to="/domains/$id" params={{ id: domain.id }} className={NAME_LINK}>
          {domain.shown}
        </Link>
      ),
    },
    {
      id: 'state',
      header: t('domains.state'),
      width: '176px',
      phone: 'status',
      cell: (domain) => <DomainPill domain={domain} />,
    },
    {
      id: 'travels',
      header: t('domains.travels'),
      width: 'minmax(140px, 1.4fr)',
      hides: 2,
      cell: (domain) =>
        domain.host === domain.shown ? (
          <span className="text-ink-3">{t('domains.the_same')}</span>
        ) : (
          <code className="font-mono text-xs">{domain.host}</code>
        ),
    },
    {
      id: 'verified',
      header: t('domains.verified'),
      width: '124px',
      hides: 3,
      cell: (domain) => <Time at={domain.verified_at} as="age" />,
    },
    {
      id: 'created',
      header: t('domains.created'),
      width: '124px',
      phone: 'fact',
      cell: (domain) => <Time at={domain.created_at} as="age" />,
    },
  ];
  return (
    <ListPage
      title={t('domains.title')}
      counted={(count) => t('domains.count', { count })}
      nav={<OrganisationNav />}
      query={query}
      loading={t('domains.loading')}
      empty={{ title: t('domains.empty'), text: t('domains.empty_text') }}
      add={add}
      columns={columns}
    />
  );
}
