import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Plus } from 'lucide-react';
import type { IdentityProvider } from '#/api/types';
import { useAccessWords } from '#/features/access/permissions';
import { OrganisationNav } from '#/features/organisation/organisation-nav';
import { Permitted } from '#/features/organisation/permitted';
import { kindOf } from '#/features/providers/draft';
import { PolicyPanel } from '#/features/providers/policy-panel';
import { ProviderPill } from '#/features/providers/provider-pill';
import { providersQuery } from '#/features/providers/queries';
import { useWords } from '#/lib/words';
import { buttonLook } from '#/ui/button';
import { NAME_LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { EmptyState } from '#/ui/states';
import { type Column, Table } from '#/ui/table';
import { Time } from '#/ui/time';

export const Route = createFileRoute('/_app/identity-providers/')({ component: ProvidersPage });

function ProvidersPage() {
  const t = useWords();
  return (
    <Permitted needs="hub.configure" title={t('providers.title')}>
      <ProvidersList />
    </Permitted>
  );
}

function ProvidersList() {
  const t = useWords();
  const words = useAccessWords();
  const query = useQuery(providersQuery);
  const add = (
    <Link to="/identity-providers/new" className={buttonLook('primary')}>
      <Plus aria-hidden size={16} /> {t('providers.add')}
    </Link>
  );
  const columns: Column<IdentityProvider>[] = [
    {
      id: 'name',
      header: t('providers.name'),
      width: 'minmax(150px, 1.4fr)',
      phone: 'name',
      cell: (provider) => (
        <Link to="/identity-providers/$id" params={{ id: provider.id }} className={NAME_LINK}>
          {provider.name}
        </Link>
      ),
    },
    {
      id: 'state',
      header: t('providers.state'),
      width: '164px',
      phone: 'status',
      cell: (provider) => <ProviderPill provider={provider} />,
    },
    {
      id: 'kind',
      header: t('providers.kind'),
      width: 'minmax(130px, 1fr)',
      phone: 'fact',
      cell: (provider) => t(`provider_kind.${kindOf(provider)}`),
    },
    {
      id: 'makes',
      header: t('providers.makes'),
      width: 'minmax(130px, 1fr)',
      hides: 2,
      cell: (provider) => {
        if (!provider.provision) return <span className="text-ink-3">{t('value.no')}</span>;
        return provider.default_role ? words.role(provider.default_role) : t('providers.by_rules');
      },
    },
    {
      id: 'ceiling',
      header: t('providers.ceiling'),
      width: 'minmax(110px, 0.8fr)',
      hides: 3,
      cell: (provider) => words.role(provider.ceiling),
    },
    {
      id: 'tested',
      header: t('providers.tested'),
      width: '124px',
      phone: 'fact',
      cell: (provider) =>
        provider.last_test ? (
          <Time at={provider.last_test.at} as="age" />
        ) : (
          <span className="text-ink-3">{t('providers.never_tested')}</span>
        ),
    },
  ];
  return (
    <Page
      title={t('providers.title')}
      aside={
        query.data && (
          <span className="numeric text-sm text-ink-2">
            {t('providers.count', { count: query.data.items.length })}
          </span>
        )
      }
      actions={add}
    >
      <OrganisationNav />
      <Panel flush>
        <QueryView query={query} loading={t('providers.loading')} skeletonRows={4}>
          {({ items }) =>
            items.length === 0 ? (
              <EmptyState title={t('providers.empty')} text={t('providers.empty_text')} action={add} />
            ) : (
              <Table
                whole
                label={t('providers.title')}
                columns={columns}
                rows={items}
                idOf={(provider) => provider.id}
                total={items.length}
              />
            )
          }
        </QueryView>
      </Panel>
      <PolicyPanel />
    </Page>
  );
}
