import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Calculator } from 'lucide-react';
import type { Tenant } from '#/api/types';
import { Permitted } from '#/features/organisation/permitted';
import { PLATFORM, sessionQuery } from '#/features/session/queries';
import { DeletionPanel } from '#/features/tenants/deletion';
import { recountTenant, tenantQuery } from '#/features/tenants/queries';
import { Quotas } from '#/features/tenants/quotas-form';
import { Resume, Suspend } from '#/features/tenants/state-actions';
import { TenantForm } from '#/features/tenants/tenant-form';
import { TenantPill } from '#/features/tenants/tenant-pill';
import { UsageFigures } from '#/features/usage/usage-figures';
import { formatNumber } from '#/lib/format';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Facts } from '#/ui/facts';
import { Id } from '#/ui/id';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { ErrorState } from '#/ui/states';
import { Time } from '#/ui/time';
import { toast } from '#/ui/toast';

export const Route = createFileRoute('/_app/tenants/$id')({ component: TenantPage });

function TenantPage() {
  const t = useWords();
  return (
    <Permitted needs={PLATFORM} title={t('tenants.one')}>
      <OneTenant />
    </Permitted>
  );
}

function OneTenant() {
  const t = useWords();
  const { id } = Route.useParams();
  const query = useQuery(tenantQuery(id));
  const own = useQuery(sessionQuery).data?.tenant.id === id;
  const tenant = query.data;
  return (
    <Page
      key={id}
      title={tenant?.name ?? t('tenants.one')}
      up={
        <Link to="/tenants" className={LINK}>
          {t('place.tenants')}
        </Link>
      }
      aside={tenant && <TenantPill isSuspended={tenant.is_suspended} />}
      actions={
        // Whoever suspended their own could not let it go on again.
        tenant &&
        !own &&
        !tenant.is_being_deleted &&
        (tenant.is_suspended ? <Resume tenant={tenant} /> : <Suspend tenant={tenant} />)
      }
    >
      <QueryView query={query} loading={t('tenants.one_loading')}>
        {(found) => <TenantView tenant={found} isOwn={own} />}
      </QueryView>
    </Page>
  );
}

function TenantView({ tenant, isOwn }: { tenant: Tenant; isOwn: boolean }) {
  const t = useWords();
  return (
    <div className="flex flex-col gap-4">
      <Facts
        facts={[
          { label: t('tenants.environment'), value: tenant.environment },
          { label: t('tenants.users'), value: formatNumber(tenant.users) },
          { label: t('tenants.created'), value: <Time at={tenant.created_at} /> },
          { label: t('tenants.one'), value: <Id value={tenant.id} /> },
        ]}
      />
      {isOwn && <p className="text-sm text-ink-2">{t('tenants.own')}</p>}
      <div className="grid grid-cols-2 items-start gap-4 max-lg:grid-cols-1">
        <UsagePanel tenant={tenant} />
        <Panel title={t('quotas.title')}>
          <Quotas id={tenant.id} />
        </Panel>
        <Panel title={t('tenants.settings')}>
          <TenantForm tenant={tenant} />
        </Panel>
        {!isOwn && <DeletionPanel tenant={tenant} />}
      </div>
    </div>
  );
}

function UsagePanel({ tenant }: { tenant: Tenant }) {
  const t = useWords();
  const client = useQueryClient();
  const recount = useMutation({
    mutationFn: recountTenant,
    onSuccess: (usage) => {
      toast({ text: t('tenants.recounted', { count: usage.records.used }) });
      client.setQueryData(tenantQuery(tenant.id).queryKey, { ...tenant, usage });
    },
  });
  return (
    <Panel
      title={t('usage.title')}
      actions={
        <Button
          size="small"
          icon={Calculator}
          onPress={() => recount.mutate(tenant.id)}
          isPending={recount.isPending}
        >
          {t('tenants.recount')}
        </Button>
      }
    >
      <div className="flex flex-col gap-4">
        {recount.error && <ErrorState compact error={recount.error} />}
        <UsageFigures usage={tenant.usage} />
      </div>
    </Panel>
  );
}
