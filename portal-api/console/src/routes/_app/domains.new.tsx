import { useMutation, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import { createDomain } from '#/features/domains/queries';
import { Permitted } from '#/features/organisation/permitted';
import { useWords } from '#/lib/words';
import { Button, buttonLook } from '#/ui/button';
import { Field } from '#/ui/field';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { ErrorState } from '#/ui/states';

export const Route = createFileRoute('/_app/domains/new')({ component: NewDomainPage });

function NewDomainPage() {
  const t = useWords();
  return (
    <Permitted needs="hub.configure" title={t('domains.add')}>
      <Page
        title={t('domains.add')}
        up={
          <Link to="/domains" className={LINK}>
            {t('domains.title')}
          </Link>
        }
      >
        <Panel className="max-w-160">
          <DomainForm />
        </Panel>
      </Page>
    </Permitted>
  );
}

function DomainForm() {
  const t = useWords();
  const navigate = Route.useNavigate();
  const client = useQueryClient();
  const [host, setHost] = useState('');
  const create = useMutation({
    mutationFn: createDomain,
    onSuccess: async (domain) => {
      await client.invalidateQueries({ queryKey: ['domains'] });
      await navigate({ to: '/domains/$id', params: { id: domain.id } });
    },
  });
  const problem = create.error ? toProblem(create.error) : null;
  return (
    <Form
      className="flex flex-col gap-4"
      validationErrors={problem?.byField()}
      onSubmit={(event) => {
        event.preventDefault();
        create.mutate(host.trim());
      }}
    >
      <p className="text-sm text-ink-2">{t('domains.text')}</p>
      <Field
        label={t('domains.host')}
        help={t('domains.host_help')}
        placeholder="portal.example.com"
        name="host"
        inputMode="url"
        autoComplete="off"
        spellCheck="false"
        maxLength={253}
        value={host}
        onChange={setHost}
        isRequired
      />
      {problem && <ErrorState compact error={problem} />}
      <div className="flex gap-2">
        <Button type="submit" look="primary" isPending={create.isPending}>
          {t('domains.create')}
        </Button>
        <Link to="/domains" className={buttonLook('quiet')}>
          {t('ui.cancel')}
        </Link>
      </div>
    </Form>
  );
}
