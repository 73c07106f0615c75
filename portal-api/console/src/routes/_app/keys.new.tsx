import { useMutation, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { NewSecret } from '#/api/types';
import { Permitted } from '#/app/permitted';
import { PermissionPicker } from '#/features/access/permission-picker';
import { useStepUp } from '#/features/factors/step-up';
import { createKey, type NewKey } from '#/features/keys/queries';
import { SecretDialog } from '#/features/keys/secret-dialog';
import { useWords } from '#/lib/words';
import { Button, buttonLook } from '#/ui/button';
import { Field } from '#/ui/field';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { Select } from '#/ui/select';
import { ErrorState } from '#/ui/states';

/** Days that a key holds; 0 is until it is revoked. */
const LIVES = [30, 90, 365, 0] as const;

export const Route = createFileRoute('/_app/keys/new')({ component: NewKeyPage });

function NewKeyPage() {
  const t = useWords();
  return (
    <Permitted needs="keys.manage" title={t('keys_page.add')}>
      <Page
        title={t('keys_page.add')}
        up={
          <Link to="/keys" className={LINK}>
            {t('keys_page.title')}
          </Link>
        }
      >
        <Panel className="max-w-180">
          <KeyForm />
        </Panel>
      </Page>
    </Permitted>
  );
}

function KeyForm() {
  const t = useWords();
  const navigate = Route.useNavigate();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [name, setName] = useState('');
  const [permissions, setPermissions] = useState<string[]>([]);
  const [life, setLife] = useState<number>(90);
  const [limit, setLimit] = useState('600');
  const [made, setMade] = useState<NewSecret | null>(null);
  const create = useMutation({
    mutationFn: guard<NewKey, NewSecret>(createKey),
    onSuccess: async (secret) => {
      setMade(secret);
      await client.invalidateQueries({ queryKey: ['keys'] });
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
          create.mutate({
            name,
            permissions,
            expires_at: life === 0 ? null : new Date(Date.now() + life * 86_400_000).toISOString(),
            calls_per_minute: limit === '' ? null : Number(limit),
          });
        }}
      >
        <p className="text-sm text-ink-2">{t('keys_page.text')}</p>
        <Field
          label={t('keys_page.name')}
          help={t('keys_page.name_help')}
          name="name"
          autoFocus
          maxLength={80}
          value={name}
          onChange={setName}
          isRequired
        />
        <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
          <Select
            label={t('keys_page.life')}
            help={life === 0 ? t('keys_page.life_never') : undefined}
            value={String(life)}
            onChange={(value) => setLife(Number(value))}
            choices={LIVES.map((days) => ({ value: String(days), label: t(`key_life.${days}`) }))}
          />
          <Field
            label={t('keys_page.per_minute')}
            help={t('keys_page.per_minute_help')}
            name="calls_per_minute"
            inputMode="numeric"
            value={limit}
            onChange={(text) => setLimit(text.replace(/\D/g, '').slice(0, 9))}
          />
        </div>
        <div className="flex flex-col gap-1">
          <span className="text-xs font-medium text-ink-2">{t('access.permissions')}</span>
          <PermissionPicker label={t('access.permissions')} chosen={permissions} onChange={setPermissions} />
          {permissions.length === 0 && <p className="text-xs text-ink-3">{t('keys_page.none_chosen')}</p>}
        </div>
        {problem && <ErrorState compact error={problem} />}
        <div className="flex gap-2">
          <Button type="submit" look="primary" isPending={create.isPending}>
            {t('keys_page.create')}
          </Button>
          <Link to="/keys" className={buttonLook('quiet')}>
            {t('ui.cancel')}
          </Link>
        </div>
      </Form>
      <SecretDialog
        made={made}
        onClose={() => {
          const id = made?.key.id;
          setMade(null);
          if (id) void navigate({ to: '/keys/$id', params: { id } });
        }}
      />
      {dialog}
    </>
  );
}
