import { useMutation, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { MadeTenant, NewTenant } from '#/api/types';
import { useStepUp } from '#/features/factors/step-up';
import { Permitted } from '#/features/organisation/permitted';
import { PLATFORM } from '#/features/session/queries';
import { createTenant } from '#/features/tenants/queries';
import { LinkDialog } from '#/features/users/link-dialog';
import { useWords } from '#/lib/words';
import { Button, buttonLook } from '#/ui/button';
import { Field } from '#/ui/field';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { ErrorState } from '#/ui/states';

export const Route = createFileRoute('/_app/tenants/new')({ component: NewTenantPage });

function NewTenantPage() {
  const t = useWords();
  return (
    <Permitted needs={PLATFORM} title={t('tenants.add')}>
      <Page
        title={t('tenants.add')}
        up={
          <Link to="/tenants" className={LINK}>
            {t('place.tenants')}
          </Link>
        }
      >
        <Panel className="max-w-160">
          <CreateForm />
        </Panel>
      </Page>
    </Permitted>
  );
}

function CreateForm() {
  const t = useWords();
  const navigate = Route.useNavigate();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [name, setName] = useState('');
  const [environment, setEnvironment] = useState('production');
  const [email, setEmail] = useState('');
  const [person, setPerson] = useState('');
  const [made, setMade] = useState<MadeTenant | null>(null);
  const create = useMutation({
    mutationFn: guard<NewTenant, MadeTenant>(createTenant),
    onSuccess: async (done) => {
      setMade(done);
      await client.invalidateQueries({ queryKey: ['tenants'] });
    },
  });
  const problem = create.error ? toProblem(create.error) : null;
  return (
    <>
      <Form
        className="flex flex-col gap-4"
        validationErrors={problem?.byField()}
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate({ name, environment, admin: { email, name: person } });
        }}
      >
        <p className="text-sm text-ink-2">{t('tenants.text')}</p>
        <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
          <Field
            label={t('tenants.name')}
            help={t('tenants.name_help')}
            name="name"
            autoComplete="off"
            maxLength={80}
            value={name}
            onChange={setName}
            isRequired
          />
          <Field
            label={t('tenants.environment')}
            help={t('tenants.environment_help')}
            name="environment"
            autoComplete="off"
            maxLength={80}
            value={environment}
            onChange={setEnvironment}
            isRequired
          />
          <Field
            label={t('tenants.admin_email')}
            name="admin.email"
            type="email"
            inputMode="email"
            autoComplete="off"
            value={email}
            onChange={setEmail}
            isRequired
          />
          <Field
            label={t('tenants.admin_name')}
            name="admin.name"
            autoComplete="off"
            maxLength={120}
            value={person}
            onChange={setPerson}
            isRequired
          />
        </div>
        {problem && <ErrorState compact error={problem} />}
        <div className="flex gap-2">
          <Button type="submit" look="primary" isPending={create.isPending}>
            {t('tenants.create')}
          </Button>
          <Link to="/tenants" className={buttonLook('quiet')}>
            {t('ui.cancel')}
          </Link>
        </div>
      </Form>
      <LinkDialog
        to={email}
        made={made?.invitation ?? null}
        onClose={() => {
          const id = made?.tenant.id;
          setMade(null);
          if (id) void navigate({ to: '/tenants/$id', params: { id } });
        }}
      />
      {dialog}
    </>
  );
}
