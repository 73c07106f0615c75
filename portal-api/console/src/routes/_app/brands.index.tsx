import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Plus } from 'lucide-react';
import type { Brand } from '#/api/types';
import { Swatch } from '#/features/brands/brand-sample';
import { brandsQuery } from '#/features/brands/queries';
import { OrganisationNav } from '#/features/organisation/organisation-nav';
import { Permitted } from '#/features/organisation/permitted';
import { May } from '#/features/session/may';
import { useWords } from '#/lib/words';
import { buttonLook } from '#/ui/button';
import { NAME_LINK } from '#/ui/link';
import { ListPage } from '#/ui/list-page';
import { StatusPill } from '#/ui/status-pill';
import type { Column } from '#/ui/table';
import { Time } from '#/ui/time';

export const Route = createFileRoute('/_app/brands/')({ component: BrandsPage });

function BrandsPage() {
  const t = useWords();
  return (
    <Permitted needs="hub.read" title={t('brands.title')}>
      <BrandsList />
    </Permitted>
  );
}

function BrandsList() {
  const t = useWords();
  const query = useQuery(brandsQuery);
  const add = (
    <May needs="hub.configure">
      <Link to="/brands/new" className={buttonLook('primary')}>
        <Plus aria-hidden size={16} /> {t('brands.add')}
      </Link>
    </May>
  );
  const columns: Column<Brand>[] = [
    {
      id: 'name',
      header: t('brands.name'),
      width: 'minmax(160px, 1.4fr)',
      phone: 'name',
      cell: (brand) => (
        <>
          <Swatch brand={brand} />
          <Link to="/brands/$id" params={{ id: brand.id }} className={NAME_LINK}>
            {brand.name}
          </Link>
        </>
      ),
    },
    {
      id: 'default',
      header: t('brands.shown'),
      width: 'minmax(150px, 1fr)',
      phone: 'status',
      cell: (brand) =>
        brand.is_default ? (
          <StatusPill status="succeeded">{t('brands.default')}</StatusPill>
        ) : (
          <span className="text-ink-3">{t('brands.by_domain')}</span>
        ),
    },
    {
      id: 'domain',
      header: t('brands.domain'),
      width: 'minmax(150px, 1.4fr)',
      phone: 'fact',
      cell: (brand) => brand.domain ?? <span className="text-ink-3">{t('brands.no_domain')}</span>,
    },
    {
      id: 'logo',
      header: t('brands.logo'),
      width: '84px',
      hides: 3,
      cell: (brand) => t(brand.logo_size === null ? 'value.no' : 'value.yes'),
    },
    {
      id: 'created',
      header: t('brands.created'),
      width: '124px',
      hides: 2,
      cell: (brand) => <Time at={brand.created_at} as="age" />,
    },
  ];
  return (
    <ListPage
      title={t('brands.title')}
      counted={(count) => t('brands.count', { count })}
      nav={<OrganisationNav />}
      query={query}
      loading={t('brands.loading')}
      empty={{ title: t('brands.empty'), text: t('brands.empty_text') }}
      add={add}
      columns={columns}
    />
  );
}
