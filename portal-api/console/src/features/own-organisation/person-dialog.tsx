import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { Group, Organisation, PasswordLink, User } from '#/api/types';
import { useAccessWords } from '#/features/access/permissions';
import { useStepUp } from '#/features/factors/step-up';
import { sessionQuery } from '#/features/session/queries';
import { LinkDialog } from '#/features/users/link-dialog';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Dialog } from '#/ui/dialog';
import { Field } from '#/ui/field';
import { QueryView } from '#/ui/query-view';
import { Select } from '#/ui/select';
import { ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';
import { Choices } from './choices';
import { changeState, editPerson, type PersonChange, personQuery, resend } from './queries';
import './words';

type Props = {
  id: string;
  organisation: Organisation;
  groups: readonly Group[];
  onClose: () => void;
};

/** What somebody of one's organization may do, and whether they may sign in. */
export function PersonDialog({ id, organisation, groups, onClose }: Props) {
  const t = useWords();
  const query = useQuery(personQuery(id));
  return (
    <Dialog title={t('own.edit_person', { name: query.data?.name ?? '…' })} isOpen onClose={onClose}>
      <QueryView query={query} loading={t('own.loading')} skeletonRows={4}>
        {(person) => (
          <PersonForm person={person} organisation={organisation} groups={groups} onClose={onClose} />
        )}
      </QueryView>
    </Dialog>
  );
}

type FormProps = Omit<Props, 'id'> & { person: User };

function PersonForm({ person, organisation, groups, onClose }: FormProps) {
  const t = useWords();
  const words = useAccessWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [change, setChange] = useState<PersonChange>({});
  const [link, setLink] = useState<PasswordLink | null>(null);
  const isSelf = useQuery(sessionQuery).data?.user.id === person.id;
  const now = { ...person, ...change };
  const edit = (more: PersonChange) => setChange((old) => ({ ...old, ...more }));
  const renewed = () => client.invalidateQueries({ queryKey: ['own-organisation'] });
  const save = useMutation({
    mutationFn: guard<PersonChange, User>((body) => editPerson(person, body)),
    onSuccess: async () => {
      toast({ text: t('own.saved') });
      onClose();
      await renewed();
    },
  });
  const isOut = person.state === 'deactivated';
  const turn = useMutation({
    mutationFn: guard<User, User>(changeState),
    onSuccess: async ({ name }) => {
      toast({ text: t(isOut ? 'own.reactivated' : 'own.deactivated', { name }) });
      onClose();
      await renewed();
    },
  });
  const again = useMutation({ mutationFn: guard<string, PasswordLink>(resend), onSuccess: setLink });
  const error = save.error ?? turn.error ?? again.error;
  const problem = error ? toProblem(error) : null;
  const grantable = [...new Set([...organisation.permissions, ...person.grants])];
  return (
    <>
      <Form
        className="flex flex-col gap-4"
        validationErrors={problem?.byField()}
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate(change);
        }}
      >
        <Field
          label={t('own.name')}
          name="name"
          maxLength={120}
          value={now.name}
          onChange={(name) => edit({ name })}
          isRequired
        />
        <Select
          label={t('own.role')}
          name="role"
          help={isSelf ? t('own.not_self') : words.roleText(now.role)}
          value={now.role}
          onChange={(role) => edit({ role })}
          choices={[...new Set([...organisation.roles, person.role])].map((role) => ({
            value: role,
            label: words.role(role),
          }))}
          isDisabled={isSelf}
        />
        <Choices
          label={t('own.in_groups')}
          all={groups.map((group) => ({ value: group.id, label: group.name }))}
          chosen={now.groups}
          onChange={(groups) => edit({ groups })}
          isDisabled={isSelf}
        />
        <Choices
          label={t('own.grants')}
          all={grantable.map((name) => ({ value: name, label: words.permission(name) }))}
          chosen={now.grants}
          onChange={(grants) => edit({ grants })}
          isDisabled={isSelf}
        />
        {problem && problem.errors.length === 0 && <ErrorState compact error={problem} />}
        <div className="flex flex-wrap justify-between gap-2">
          <div className="flex flex-wrap gap-2">
            <Button
              look={isOut ? 'plain' : 'danger'}
              onPress={() => turn.mutate(person)}
              isPending={turn.isPending}
            >
              {t(isOut ? 'own.reactivate' : 'own.deactivate')}
            </Button>
            {person.state === 'invited' && (
              <Button onPress={() => again.mutate(person.id)} isPending={again.isPending}>
                {t('own.resend')}
              </Button>
            )}
          </div>
          <Button
            type="submit"
            look="primary"
            isPending={save.isPending}
            isDisabled={Object.keys(change).length === 0}
          >
            {t('ui.save')}
          </Button>
        </div>
      </Form>
      <LinkDialog to={person.email} made={link} onClose={() => setLink(null)} />
      {dialog}
    </>
  );
}
