import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { Connection, System } from '#/api/types';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Field } from '#/ui/field';
import { QueryView } from '#/ui/query-view';
import { ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';
import { type Config, toSend } from './config';
import { ConfigForm } from './config-form';
import { editConnection, systemsQuery } from './queries';
import { formOf } from './schema';

type EditFormProps = { connection: Connection; onDone: () => void };

export function EditForm({ connection, onDone }: EditFormProps) {
  const t = useWords();
  const query = useQuery(systemsQuery);
  return (
    <QueryView query={query} loading={t('connections.systems_loading')}>
      {(systems) => (
        <Fields
          connection={connection}
          system={systems.find((one) => one.id === connection.system)}
          onDone={onDone}
        />
      )}
    </QueryView>
  );
}

function Fields({ connection, system, onDone }: EditFormProps & { system: System | undefined }) {
  const t = useWords();
  const client = useQueryClient();
  const [name, setName] = useState(connection.name);
  const [old] = useState(() => (connection.config ?? {}) as Config);
  const [config, setConfig] = useState<Config>(old);
  const [fields] = useState(() => formOf(system?.config_schema));
  const edit = useMutation({
    mutationFn: () => editConnection(connection, { name, config: toSend(config, old) }),
    onSuccess: async () => {
      toast({ text: t('connections.saved') });
      onDone();
      await client.invalidateQueries({ queryKey: ['connections'] });
    },
  });
  const problem = edit.error ? toProblem(edit.error) : null;
  return (
    <Form
      className="flex flex-col gap-4"
      validationErrors={problem?.byField()}
      onSubmit={(event) => {
        event.preventDefault();
        edit.mutate();
      }}
    >
      <Field label={t('connections.name')} name="name" value={name} onChange={setName} isRequired />
      <ConfigForm fields={fields} config={config} onChange={setConfig} existing />
      {problem && <ErrorState compact error={problem} />}
      <div className="flex justify-end gap-2">
        <Button look="quiet" onPress={onDone}>
          {t('ui.cancel')}
        </Button>
        <Button type="submit" look="primary" isPending={edit.isPending}>
          {t('ui.save')}
        </Button>
      </div>
    </Form>
  );
}
