import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { Invited } from '#/api/types';
import { useAccessWords } from '#/features/access/permissions';
import { useStepUp } from '#/features/factors/step-up';
import { LinkDialog } from '#/features/users/link-dialog';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Dialog } from '#/ui/dialog';
import { Field } from '#/ui/field';
import { Select } from '#/ui/select';
import { ErrorState } from '#/ui/states';
import { invite, type NewPerson } from './queries';
import './words';

type Props = { roles: readonly string[]; isOpen: boolean; onClose: () => void };

/** Invites somebody into one's organization. */
export function InviteDialog({ roles, isOpen, onClose }: Props) {
  const t = useWords();
  const words = useAccessWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [body, setBody] = useState<NewPerson>({ email: '', name: '', role: 'customer_user' });
  const [invited, setInvited] = useState<Invited | null>(null);
  const ask = useMutation({
    mutationFn: guard<NewPerson, Invited>(invite),
    onSuccess: async (made) => {
      onClose();
      setBody({ email: '', name: '', role: 'customer_user' });
      setInvited(made);
      await client.invalidateQueries({ queryKey: ['own-organisation'] });
    },
  });
  const problem = ask.error ? toProblem(ask.error) : null;
  const edit = (change: Partial<NewPerson>) => setBody((old) => ({ ...old, ...change }));
  return (
    <>
      <Dialog title={t('own.invite')} isOpen={isOpen} onClose={onClose}>
        <Form
          className="flex flex-col gap-4"
          validationErrors={problem?.byField()}
          onSubmit={(event) => {
            event.preventDefault();
            ask.mutate(body);
          }}
        >
          <p className="text-sm text-ink-2">{t('own.invite_text')}</p>
          <Field
            label={t('own.email')}
            name="email"
            type="email"
            inputMode="email"
            autoComplete="off"
            autoFocus
            value={body.email}
            onChange={(email) => edit({ email })}
            isRequired
          />
          <Field
            label={t('own.name')}
            name="name"
            autoComplete="off"
            maxLength={120}
            value={body.name}
            onChange={(name) => edit({ name })}
            isRequired
          />
          <Select
            label={t('own.role')}
            name="role"
            help={words.roleText(body.role)}
            value={body.role}
            onChange={(role) => edit({ role })}
            choices={roles.map((role) => ({ value: role, label: words.role(role) }))}
          />
          {problem && problem.errors.length === 0 && <ErrorState compact error={problem} />}
          <div className="flex flex-wrap justify-end gap-2">
            <Button onPress={onClose}>{t('ui.cancel')}</Button>
            <Button type="submit" look="primary" isPending={ask.isPending}>
              {t('own.invite')}
            </Button>
          </div>
        </Form>
      </Dialog>
      <LinkDialog
        to={invited?.user.email ?? ''}
        made={invited?.invitation ?? null}
        onClose={() => setInvited(null)}
      />
      {dialog}
    </>
  );
}
