import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { System } from '#/api/types';
import { Permitted } from '#/app/permitted';
import { type Config, initialOf, toSend } from '#/features/connections/config';
import { ConfigForm } from '#/features/connections/config-form';
import { createConnection, systemsQuery } from '#/features/connections/queries';
import { formOf } from '#/features/connections/schema';
import { textParam } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Button, buttonLook } from '#/ui/button';
import { Field } from '#/ui/field';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { Select } from '#/ui/select';
import { EmptyState, ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';

export const Route = createFileRoute('/_app/connections/new')({
  validateSearch: (search): { system?: string } => ({ system: textParam(search.system) }),
  component: NewConnectionPage,
});

function NewConnectionPage() {
  const t = useWords();
  return (
    <Permitted needs="connections.manage" title={t('connections.add')}>
      <NewConnection />
    </Permitted>
  );
}

function NewConnection() {
  const t = useWords();
  const query = useQuery(systemsQuery);
  const { system } = Route.useSearch();
  const navigate = Route.useNavigate();
  return (
    <Page
      title={t('connections.add')}
      up={
        <Link to="/connections" className={LINK}>
          {t('connections.title')}
        </Link>
      }
    >
      <Panel className="max-w-160">
        <QueryView query={query} loading={t('connections.systems_loading')}>
          {(systems) => {
            const chosen =
              systems.find((one) => one.id === system) ?? (systems.length === 1 ? systems[0] : undefined);
            if (systems.length === 0) return <EmptyState title={t('connections.no_systems')} />;
            return (
              <div className="flex flex-col gap-4">
                <Select
                  label={t('connections.system')}
                  value={chosen?.id ?? null}
                  onChange={(id) => void navigate({ search: { system: id }, replace: true })}
                  choices={systems.map((one) => ({ value: one.id, label: one.title }))}
                />
                {chosen && <CreateForm key={chosen.id} system={chosen} />}
              </div>
            );
          }}
        </QueryView>
      </Panel>
    </Page>
  );
}

function CreateForm({ system }: { system: System }) {
  const t = useWords();
  const navigate = Route.useNavigate();
  const client = useQueryClient();
  const [name, setName] = useState(system.title);
  const [fields] = useState(() => formOf(system.config_schema));
  const [config, setConfig] = useState<Config>(() => initialOf(fields));
  const create = useMutation({
    mutationFn: createConnection,
    onSuccess: async (connection) => {
      toast({ text: t('connections.created', { name: connection.name }) });
      await client.invalidateQueries({ queryKey: ['connections'] });
      await navigate({ to: '/connections/$id', params: { id: connection.id } });
    },
  });
  const problem = create.error ? toProblem(create.error) : null;
  return (
    <Form
      className="flex flex-col gap-4"
      validationErrors={problem?.byField()}
      onSubmit={(event) => {
        event.preventDefault();
        create.mutate({ system: system.id, name, config: toSend(config, null) });
      }}
    >
      <Field label={t('connections.name')} name="name" value={name} onChange={setName} isRequired />
      <ConfigForm fields={fields} config={config} onChange={setConfig} existing={false} />
      {problem && <ErrorState compact error={problem} />}
      <div className="flex gap-2">
        <Button type="submit" look="primary" isPending={create.isPending}>
          {t('connections.create')}
        </Button>
        <Link to="/connections" className={buttonLook('quiet')}>
          {t('ui.cancel')}
        </Link>
      </div>
    </Form>
  );
}
