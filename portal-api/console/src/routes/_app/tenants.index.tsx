import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Plus } from 'lucide-react';
import { useCallback } from 'react';
import type { TenantRow } from '#/api/types';
import { Permitted } from '#/features/organisation/permitted';
import { PLATFORM } from '#/features/session/queries';
import { tenantsQuery } from '#/features/tenants/queries';
import { TenantPill } from '#/features/tenants/tenant-pill';
import { UsageCell } from '#/features/tenants/usage-cell';
import { formatNumber } from '#/lib/format';
import { compact, isAnySet, oneOf, textParam } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Button, buttonLook } from '#/ui/button';
import { FilterBar } from '#/ui/filter-bar';
import { NAME_LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { QueryView } from '#/ui/query-view';
import { Search } from '#/ui/search';
import { Select } from '#/ui/select';
import { EmptyState } from '#/ui/states';
import { type Column, Table } from '#/ui/table';
import { Time } from '#/ui/time';

const STATES = ['active', 'suspended'] as const;

type TenantFilters = { q?: string; state?: (typeof STATES)[number] };

export const Route = createFileRoute('/_app/tenants/')({
  validateSearch: (search): TenantFilters => ({
    q: textParam(search.q),
    state: oneOf(search.state, STATES),
  }),
  component: TenantsPage,
});

function TenantsPage() {
  const t = useWords();
  return (
    <Permitted needs={PLATFORM} title={t('place.tenants')}>
      <TenantsList />
    </Permitted>
  );
}

function fits(tenant: TenantRow, { q = '', state }: TenantFilters): boolean {
  const named = [tenant.name, tenant.environment].some((text) =>
    text.toLowerCase().includes(q.toLowerCase()),
  );
  return named && (state === undefined || tenant.is_suspended === (state === 'suspended'));
}

function TenantsList() {
  const t = useWords();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const query = useQuery(tenantsQuery);
  const rows = query.data?.items.filter((tenant) => fits(tenant, search));
  const set = useCallback(
    (change: TenantFilters) =>
      void navigate({ search: (old) => compact({ ...old, ...change }), replace: true }),
    [navigate],
  );
  const find = useCallback((q: string) => set({ q }), [set]);
  const clear = () => void navigate({ search: {}, replace: true });
  const filtered = isAnySet(search);
  const add = (
    <Link to="/tenants/new" className={buttonLook('primary')}>
      <Plus aria-hidden size={16} /> {t('tenants.add')}
    </Link>
  );
  return (
    <Page fill title={t('place.tenants')} actions={add}>
      <FilterBar count={rows?.length} word="tenants.count" onClear={filtered ? clear : undefined}>
        <Search
          label={t('tenants.search')}
          clearLabel={t('filter.clear')}
          value={search.q ?? ''}
          onChange={find}
        />
        <Select
          inline
          label={t('tenants.state')}
          value={search.state ?? ''}
          onChange={(value) => set({ state: oneOf(value, STATES) })}
          choices={[
            { value: '', label: t('filter.any') },
            ...STATES.map((state) => ({ value: state, label: t(`tenant_state.${state}`) })),
          ]}
        />
      </FilterBar>
      <div className="relative flex min-h-0 flex-1 flex-col overflow-hidden rounded-panel border border-line bg-surface">
        <QueryView query={query} loading={t('tenants.loading')} skeletonRows={8}>
          {() =>
            rows === undefined || rows.length === 0 ? (
              <EmptyState
                title={t('filter.nothing')}
                action={filtered && <Button onPress={clear}>{t('filter.clear')}</Button>}
              />
            ) : (
              <Table
                label={t('place.tenants')}
                columns={columnsOf(t)}
                rows={rows}
                idOf={(tenant) => tenant.id}
                total={rows.length}
              />
            )
          }
        </QueryView>
      </div>
    </Page>
  );
}

function columnsOf(t: ReturnType<typeof useWords>): Column<TenantRow>[] {
  return [
    {
      id: 'name',
      header: t('tenants.name'),
      width: 'minmax(150px, 1.4fr)',
      phone: 'name',
      cell: (tenant) => (
        <Link to="/tenants/$id" params={{ id: tenant.id }} className={NAME_LINK}>
          {tenant.name}
        </Link>
      ),
    },
    {
      id: 'state',
      header: t('tenants.state'),
      width: '120px',
      phone: 'status',
      cell: (tenant) => <TenantPill isSuspended={tenant.is_suspended} />,
    },
    {
      id: 'environment',
      header: t('tenants.environment'),
      width: 'minmax(96px, 0.7fr)',
      hides: 2,
      cell: (tenant) => tenant.environment,
    },
    {
      id: 'users',
      header: t('tenants.users'),
      width: '80px',
      align: 'right',
      hides: 3,
      cell: (tenant) => formatNumber(tenant.users),
    },
    {
      id: 'usage',
      header: t('tenants.usage'),
      width: 'minmax(220px, 1.6fr)',
      phone: 'fact',
      cell: (tenant) => <UsageCell id={tenant.id} />,
    },
    {
      id: 'created',
      header: t('tenants.created'),
      width: '124px',
      hides: 1,
      cell: (tenant) => <Time at={tenant.created_at} as="age" />,
    },
  ];
}
