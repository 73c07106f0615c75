import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Radar, Trash2 } from 'lucide-react';
import { useState } from 'react';
import type { Domain } from '#/api/types';
import { DomainPill } from '#/features/domains/domain-pill';
import { deleteDomain, domainsQuery, verifyDomain } from '#/features/domains/queries';
import { Permitted } from '#/features/organisation/permitted';
import { useWords } from '#/lib/words';
import { Button, buttonLook } from '#/ui/button';
import { Confirm } from '#/ui/confirm';
import { CopyField } from '#/ui/copy-field';
import { Facts } from '#/ui/facts';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { EmptyState, ErrorState } from '#/ui/states';
import { Time } from '#/ui/time';
import { toast } from '#/ui/toast';

export const Route = createFileRoute('/_app/domains/$id')({ component: DomainPage });

function DomainPage() {
  const t = useWords();
  return (
    <Permitted needs="hub.configure" title={t('domains.one')}>
      <OneDomain />
    </Permitted>
  );
}

function OneDomain() {
  const t = useWords();
  const { id } = Route.useParams();
  // The server gives them all at once; there is no asking for one.
  const query = useQuery(domainsQuery);
  const domain = query.data?.items.find((one) => one.id === id);
  return (
    <Page
      key={id}
      title={domain?.shown ?? t('domains.one')}
      up={
        <Link to="/domains" className={LINK}>
          {t('domains.title')}
        </Link>
      }
      aside={domain && <DomainPill domain={domain} />}
      actions={domain && <Remove domain={domain} />}
    >
      <QueryView query={query} loading={t('domains.loading')}>
        {() =>
          domain ? (
            <DomainView domain={domain} />
          ) : (
            <EmptyState
              title={t('domains.gone')}
              text={t('problem.not-found')}
              action={
                <Link to="/domains" className={buttonLook()}>
                  {t('domains.title')}
                </Link>
              }
            />
          )
        }
      </QueryView>
    </Page>
  );
}

function DomainView({ domain }: { domain: Domain }) {
  const t = useWords();
  const client = useQueryClient();
  const verify = useMutation({
    mutationFn: verifyDomain,
    onSuccess: async () => {
      toast({ text: t('domains.is_verified', { host: domain.shown }) });
      await client.invalidateQueries({ queryKey: ['domains'] });
    },
  });
  return (
    <div className="flex flex-col gap-4">
      <Facts
        facts={[
          { label: t('domains.created'), value: <Time at={domain.created_at} /> },
          domain.verified_at !== null && {
            label: t('domains.verified'),
            value: <Time at={domain.verified_at} />,
          },
          domain.host !== domain.shown && {
            label: t('domains.travels'),
            value: <code className="font-mono text-xs">{domain.host}</code>,
          },
        ]}
      />
      <Panel className="max-w-180" title={t('domains.record')}>
        <div className="flex flex-col gap-4">
          <p className="text-sm text-ink-2">
            {t(domain.verified_at ? 'domains.record_done' : 'domains.record_text')}
          </p>
          <CopyField label={t('domains.record_name')} value={domain.record_name} />
          <CopyField label={t('domains.record_type')} value="TXT" />
          <CopyField label={t('domains.record_value')} value={domain.record_text} />
          {!domain.verified_at && (
            <>
              {verify.error && <ErrorState compact error={verify.error} title={t('domains.not_yet')} />}
              <div className="flex flex-wrap items-center gap-3">
                <Button
                  look="primary"
                  icon={Radar}
                  onPress={() => verify.mutate(domain.id)}
                  isPending={verify.isPending}
                >
                  {t('domains.verify')}
                </Button>
                <p role="status" className="text-sm text-ink-2">
                  {t(verify.isPending ? 'domains.verifying' : 'domains.takes_time')}
                </p>
              </div>
            </>
          )}
        </div>
      </Panel>
    </div>
  );
}

function Remove({ domain }: { domain: Domain }) {
  const t = useWords();
  const navigate = Route.useNavigate();
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const remove = useMutation({
    mutationFn: deleteDomain,
    onSuccess: async () => {
      await navigate({ to: '/domains' });
      await client.invalidateQueries({ queryKey: ['domains'] });
    },
  });
  return (
    <>
      <Button look="danger" icon={Trash2} onPress={() => setAsking(true)}>
        {t('domains.delete')}
      </Button>
      <Confirm
        title={t('domains.delete_named', { host: domain.shown })}
        isOpen={asking}
        onClose={() => {
          setAsking(false);
          remove.reset();
        }}
        text={
          domain.verified_at
            ? [t('domains.delete_leads'), t('domains.delete_again')]
            : t('domains.delete_ask')
        }
        action={t('domains.delete')}
        onConfirm={() => remove.mutate(domain.id)}
        isPending={remove.isPending}
        error={remove.error}
      />
    </>
  );
}
