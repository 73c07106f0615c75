import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { Tenant } from '#/api/types';
import { useStepUp } from '#/features/factors/step-up';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Field } from '#/ui/field';
import { ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';
import { editTenant, type TenantInput, tenantQuery } from './queries';

/** What a tenant is called, here and on every page its people see. */
export function TenantForm({ tenant }: { tenant: Tenant }) {
  const t = useWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  // Only what is edited: what comes anew from the server shows through everywhere else.
  const [edits, setEdits] = useState<Partial<TenantInput>>({});
  const { name, environment } = { ...tenant, ...edits };
  const save = useMutation({
    mutationFn: guard<Partial<TenantInput>, Tenant>((change) => editTenant(tenant, change)),
    onSuccess: async (saved) => {
      toast({ text: t('tenants.saved') });
      setEdits({});
      client.setQueryData(tenantQuery(tenant.id).queryKey, saved);
      await client.invalidateQueries({ queryKey: ['tenants', 'list'] });
      // It may be one's own: its name stands at the top.
      await client.invalidateQueries({ queryKey: ['session'] });
    },
  });
  const problem = save.error ? toProblem(save.error) : null;
  return (
    <>
      <Form
        className="flex flex-col gap-4"
        validationErrors={problem?.byField()}
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate(edits);
        }}
      >
        <Field
          label={t('tenants.name')}
          name="name"
          maxLength={80}
          value={name}
          onChange={(name) => setEdits((old) => ({ ...old, name }))}
          isRequired
        />
        <Field
          label={t('tenants.environment')}
          help={t('tenants.environment_help')}
          name="environment"
          maxLength={80}
          value={environment}
          onChange={(environment) => setEdits((old) => ({ ...old, environment }))}
          isRequired
        />
        {problem && <ErrorState compact error={problem} />}
        <div>
          <Button
            type="submit"
            look="primary"
            isPending={save.isPending}
            isDisabled={Object.keys(edits).length === 0}
          >
            {t('ui.save')}
          </Button>
        </div>
      </Form>
      {dialog}
    </>
  );
}
