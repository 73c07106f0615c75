import { useMutation, useQuery } from '@tanstack/react-query';
import { KeyRound, Pencil, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { Problem } from '#/api/problem';
import type { Passkey } from '#/api/types';
import { canUsePasskeys, isCancelled } from '#/lib/passkeys';
import { useWords } from '#/lib/words';
import { Button, IconButton } from '#/ui/button';
import { Confirm } from '#/ui/confirm';
import { Dialog } from '#/ui/dialog';
import { Field } from '#/ui/field';
import { Panel } from '#/ui/panel';
import { ErrorState } from '#/ui/states';
import { Time } from '#/ui/time';
import { toast } from '#/ui/toast';
import { type PanelProps, useRefresh } from './panel';
import { addPasskey, passkeysQuery, removePasskey, renamePasskey } from './queries';
import './words';

/** One's own passkeys. */
export function Passkeys({ owned, guard, onCodes }: PanelProps) {
  const t = useWords();
  const refresh = useRefresh();
  const [isOpen, setOpen] = useState(false);
  const [renamed, setRenamed] = useState<Passkey | null>(null);
  const [removed, setRemoved] = useState<Passkey | null>(null);
  const passkeys = useQuery(passkeysQuery).data?.items ?? [];
  const remove = useMutation({
    mutationFn: guard(removePasskey),
    onSuccess: async () => {
      setRemoved(null);
      toast({ text: t('security.passkey_removed') });
      await refresh();
    },
  });
  const isHere = owned.available.includes('passkey') && canUsePasskeys();
  const text = isHere ? 'security.passkeys_none' : 'security.passkeys_not_here';
  return (
    <Panel
      title={t('security.passkeys')}
      actions={
        isHere && (
          <Button icon={KeyRound} onPress={() => setOpen(true)}>
            {t('security.passkey_add')}
          </Button>
        )
      }
    >
      {passkeys.length === 0 && <p className="max-w-prose text-sm text-ink-2">{t(text)}</p>}
      <ul className="flex flex-col divide-y divide-line">
        {passkeys.map((passkey) => (
          <li key={passkey.id} className="flex items-center gap-2 py-2 first:pt-0 last:pb-0">
            <div className="min-w-0 flex-1">
              <p className="text-sm font-medium break-words text-ink">{passkey.name}</p>
              <p className="text-xs text-ink-2">
                {passkey.last_used_at ? (
                  <>
                    {t('security.passkey_used')} <Time at={passkey.last_used_at} />
                  </>
                ) : (
                  t('security.passkey_never')
                )}
              </p>
            </div>
            <IconButton
              label={t('security.passkey_rename', { name: passkey.name })}
              icon={Pencil}
              onPress={() => setRenamed(passkey)}
            />
            <IconButton
              label={t('security.passkey_remove', { name: passkey.name })}
              icon={Trash2}
              onPress={() => setRemoved(passkey)}
            />
          </li>
        ))}
      </ul>
      <Confirm
        title={t('security.passkey_remove', { name: removed?.name ?? '' })}
        text={t('security.passkey_remove_text')}
        action={t('security.app_remove')}
        isOpen={removed !== null}
        isPending={remove.isPending}
        error={remove.error}
        onConfirm={() => removed && remove.mutate(removed.id)}
        onClose={() => setRemoved(null)}
      />
      <Dialog title={t('security.passkey_add')} isOpen={isOpen} onClose={() => setOpen(false)}>
        <NameForm
          submit={t('security.passkey_make')}
          save={guard<string, string[]>(addPasskey)}
          onDone={async (codes) => {
            setOpen(false);
            toast({ text: t('security.passkey_added') });
            onCodes(codes);
            await refresh();
          }}
        />
      </Dialog>
      <Dialog
        title={t('security.passkey_rename', { name: renamed?.name ?? '' })}
        isOpen={renamed !== null}
        onClose={() => setRenamed(null)}
      >
        {renamed && (
          <NameForm
            name={renamed.name}
            submit={t('security.passkey_save')}
            save={(name) => renamePasskey({ id: renamed.id, name })}
            onDone={async () => {
              setRenamed(null);
              await refresh();
            }}
          />
        )}
      </Dialog>
    </Panel>
  );
}

type NameFormProps<T> = {
  name?: string;
  submit: string;
  save: (name: string) => Promise<T>;
  onDone: (saved: T) => Promise<void>;
};

function NameForm<T>({ name: given = '', submit, save, onDone }: NameFormProps<T>) {
  const t = useWords();
  const [name, setName] = useState(given);
  const saving = useMutation({ mutationFn: save, onSuccess: onDone });
  const error = isCancelled(saving.error) ? null : saving.error;
  const problem = error instanceof Problem ? error : null;
  return (
    <Form
      className="flex flex-col gap-4"
      validationErrors={problem?.byField()}
      onSubmit={(event) => {
        event.preventDefault();
        saving.mutate(name);
      }}
    >
      <Field
        label={t('security.passkey_name')}
        help={t('security.passkey_help')}
        name="name"
        maxLength={80}
        autoFocus
        value={name}
        onChange={setName}
        isRequired
      />
      {problem && problem.errors.length === 0 && <ErrorState compact error={problem} />}
      {error && !problem && (
        <p role="alert" className="text-sm text-bad-ink">
          {t('security.passkey_failed')}
        </p>
      )}
      <Button type="submit" look="primary" className="self-start" isPending={saving.isPending}>
        {submit}
      </Button>
    </Form>
  );
}
