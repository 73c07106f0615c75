import { queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Trash2 } from 'lucide-react';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { api, unwrap } from '#/api/client';
import { toProblem } from '#/api/problem';
import type { Tenant, TenantDeletion } from '#/api/types';
import { useStepUp } from '#/features/factors/step-up';
import { sessionQuery } from '#/features/session/queries';
import { addWords, useWords, wordFor } from '#/lib/words';
import { Button } from '#/ui/button';
import { Dialog } from '#/ui/dialog';
import { Field } from '#/ui/field';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { ErrorState } from '#/ui/states';
import { Time } from '#/ui/time';
import words from '#/words/tenant-deletion.json';

addWords(words);

function deletionQuery(id: string) {
  return queryOptions({
    queryKey: ['tenants', 'deletion', id],
    queryFn: () => unwrap(api.GET('/api/v1/tenants/{id}/deletion', { params: { path: { id } } })),
  });
}

/** Asks for a tenant to be deleted, and how that stands. */
export function DeletionPanel({ tenant }: { tenant: Tenant }) {
  const t = useWords();
  return (
    <Panel title={t('deletion.title')}>
      {tenant.is_being_deleted ? (
        <UnderWay id={tenant.id} />
      ) : (
        <div className="flex flex-col items-start gap-3">
          <p className="max-w-prose text-sm text-ink-2">{t('deletion.text')}</p>
          <Ask tenant={tenant} />
        </div>
      )}
    </Panel>
  );
}

function UnderWay({ id }: { id: string }) {
  const t = useWords();
  const query = useQuery(deletionQuery(id));
  return (
    <QueryView query={query} loading={t('deletion.title')} skeletonRows={2}>
      {(deletion) => <Standing deletion={deletion} />}
    </QueryView>
  );
}

function useRenewed(id: string) {
  const client = useQueryClient();
  return async (saved: TenantDeletion) => {
    client.setQueryData(deletionQuery(id).queryKey, saved);
    await client.invalidateQueries({ queryKey: ['tenants'] });
  };
}

function Standing({ deletion }: { deletion: TenantDeletion }) {
  const t = useWords();
  const { guard, dialog } = useStepUp();
  const own = useQuery(sessionQuery).data?.user.id;
  const renewed = useRenewed(deletion.tenant_id);
  const params = { path: { id: deletion.tenant_id } };
  const act = useMutation({
    mutationFn: guard<'approve' | 'withdraw', TenantDeletion>((action) =>
      action === 'approve'
        ? unwrap(api.POST('/api/v1/tenants/{id}/deletion/approve', { params }))
        : unwrap(api.POST('/api/v1/tenants/{id}/deletion/withdraw', { params })),
    ),
    onSuccess: renewed,
  });
  return (
    <div className="flex flex-col gap-3">
      <p className="max-w-prose text-sm text-ink">
        {wordFor(t, `deletion.state_${deletion.state}`, deletion.state)}
      </p>
      <p className="text-sm break-words text-ink-2">{deletion.reason}</p>
      <p className="text-xs text-ink-2">
        {t('deletion.asked_by', { name: deletion.asked_by })}, <Time at={deletion.asked_at} />
        {deletion.approved_by && ` · ${t('deletion.approved_by', { name: deletion.approved_by })}`}
      </p>
      {deletion.hold_until && (
        <p className="text-sm text-ink">
          {t('deletion.hold_until')} <Time at={deletion.hold_until} as="full" />
        </p>
      )}
      {act.error && <ErrorState compact error={act.error} />}
      {deletion.state !== 'destroying' && (
        <div className="flex flex-wrap gap-2">
          <Button look="primary" onPress={() => act.mutate('withdraw')} isPending={act.isPending}>
            {t('deletion.withdraw')}
          </Button>
          {deletion.state === 'asked' && deletion.asked_by_id !== own && (
            <Button look="danger" onPress={() => act.mutate('approve')} isPending={act.isPending}>
              {t('deletion.approve')}
            </Button>
          )}
        </div>
      )}
      {dialog}
    </div>
  );
}

type Wish = { confirm: string; reason: string; hold_days: number };

function Ask({ tenant }: { tenant: Tenant }) {
  const t = useWords();
  const { guard, dialog } = useStepUp();
  const [isOpen, setOpen] = useState(false);
  const [confirm, setConfirm] = useState('');
  const [reason, setReason] = useState('');
  const [days, setDays] = useState('30');
  const renewed = useRenewed(tenant.id);
  const ask = useMutation({
    mutationFn: guard<Wish, TenantDeletion>((body) =>
      unwrap(api.POST('/api/v1/tenants/{id}/deletion', { params: { path: { id: tenant.id } }, body })),
    ),
    onSuccess: async (saved) => {
      setOpen(false);
      await renewed(saved);
    },
  });
  const problem = ask.error ? toProblem(ask.error) : null;
  return (
    <>
      <Button look="danger" icon={Trash2} onPress={() => setOpen(true)}>
        {t('deletion.ask')}
      </Button>
      <Dialog
        title={t('deletion.ask_named', { name: tenant.name })}
        isOpen={isOpen}
        onClose={() => setOpen(false)}
      >
        <Form
          className="flex flex-col gap-4"
          validationErrors={problem?.byField()}
          onSubmit={(event) => {
            event.preventDefault();
            ask.mutate({ confirm, reason, hold_days: Number(days) });
          }}
        >
          <ul className="flex list-disc flex-col gap-1 pl-5 text-sm text-ink-2 marker:text-ink-3">
            <li>{t('deletion.ask_closed')}</li>
            <li>{t('deletion.ask_held')}</li>
            <li>{t('deletion.ask_destroyed')}</li>
          </ul>
          <Field
            label={t('deletion.confirm')}
            help={t('deletion.confirm_help', { name: tenant.name })}
            name="confirm"
            autoComplete="off"
            autoFocus
            value={confirm}
            onChange={setConfirm}
            isRequired
          />
          <Field
            label={t('deletion.reason')}
            name="reason"
            lines={2}
            maxLength={500}
            value={reason}
            onChange={setReason}
            isRequired
          />
          <Field
            label={t('deletion.hold')}
            name="hold_days"
            inputMode="numeric"
            value={days}
            onChange={(text) => setDays(text.replace(/\D/g, '').slice(0, 3))}
            isRequired
          />
          {problem && problem.errors.length === 0 && <ErrorState compact error={problem} />}
          <div className="flex flex-wrap justify-end gap-2">
            <Button onPress={() => setOpen(false)}>{t('ui.cancel')}</Button>
            <Button
              type="submit"
              look="danger"
              isPending={ask.isPending}
              isDisabled={confirm !== tenant.name || days === ''}
            >
              {t('deletion.ask')}
            </Button>
          </div>
        </Form>
      </Dialog>
      {dialog}
    </>
  );
}
