import { useMutation, useQueryClient } from '@tanstack/react-query';
import { CirclePause, CirclePlay } from 'lucide-react';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { Tenant } from '#/api/types';
import { useStepUp } from '#/features/factors/step-up';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Confirm } from '#/ui/confirm';
import { Dialog } from '#/ui/dialog';
import { Field } from '#/ui/field';
import { ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';
import { resumeTenant, suspendTenant, tenantQuery } from './queries';

/** What a changed tenant means for what is shown. */
function useSaved(said: 'tenants.is_suspended' | 'tenants.is_resumed') {
  const t = useWords();
  const client = useQueryClient();
  return async (saved: Tenant) => {
    toast({ text: t(said, { name: saved.name }) });
    client.setQueryData(tenantQuery(saved.id).queryKey, saved);
    await client.invalidateQueries({ queryKey: ['tenants', 'list'] });
  };
}

/** Stops everybody and everything of a tenant, with a reason that its people can read later. */
export function Suspend({ tenant }: { tenant: Tenant }) {
  const t = useWords();
  const { guard, dialog } = useStepUp();
  const [asking, setAsking] = useState(false);
  const [reason, setReason] = useState('');
  const saved = useSaved('tenants.is_suspended');
  const suspend = useMutation({
    mutationFn: guard<{ id: string; reason: string }, Tenant>(suspendTenant),
    onSuccess: async (tenant) => {
      setAsking(false);
      setReason('');
      await saved(tenant);
    },
  });
  const problem = suspend.error ? toProblem(suspend.error) : null;
  return (
    <>
      <Button look="danger" icon={CirclePause} onPress={() => setAsking(true)}>
        {t('tenants.suspend')}
      </Button>
      <Dialog
        title={t('tenants.suspend_named', { name: tenant.name })}
        isOpen={asking}
        onClose={() => setAsking(false)}
      >
        <Form
          className="flex flex-col gap-4"
          validationErrors={problem?.byField()}
          onSubmit={(event) => {
            event.preventDefault();
            suspend.mutate({ id: tenant.id, reason });
          }}
        >
          <ul className="flex list-disc flex-col gap-1 pl-5 text-sm text-ink-2 marker:text-ink-3">
            <li>{t('tenants.suspend_people')}</li>
            <li>{t('tenants.suspend_runs')}</li>
            <li>{t('tenants.suspend_keeps')}</li>
          </ul>
          <Field
            label={t('tenants.reason')}
            help={t('tenants.reason_help')}
            name="reason"
            lines={2}
            maxLength={500}
            value={reason}
            onChange={setReason}
            autoFocus
            isRequired
          />
          {problem && <ErrorState compact error={problem} />}
          <div className="flex flex-wrap justify-end gap-2">
            <Button onPress={() => setAsking(false)}>{t('ui.cancel')}</Button>
            <Button type="submit" look="danger" isPending={suspend.isPending}>
              {t('tenants.suspend')}
            </Button>
          </div>
        </Form>
      </Dialog>
      {dialog}
    </>
  );
}

export function Resume({ tenant }: { tenant: Tenant }) {
  const t = useWords();
  const { guard, dialog } = useStepUp();
  const [asking, setAsking] = useState(false);
  const saved = useSaved('tenants.is_resumed');
  const resume = useMutation({
    mutationFn: guard<string, Tenant>(resumeTenant),
    onSuccess: async (tenant) => {
      setAsking(false);
      await saved(tenant);
    },
  });
  return (
    <>
      <Button look="primary" icon={CirclePlay} onPress={() => setAsking(true)}>
        {t('tenants.resume')}
      </Button>
      <Confirm
        danger={false}
        title={t('tenants.resume_named', { name: tenant.name })}
        isOpen={asking}
        onClose={() => {
          setAsking(false);
          resume.reset();
        }}
        text={[t('tenants.resume_people'), t('tenants.resume_runs')]}
        action={t('tenants.resume')}
        onConfirm={() => resume.mutate(tenant.id)}
        isPending={resume.isPending}
        error={resume.error}
      />
      {dialog}
    </>
  );
}
