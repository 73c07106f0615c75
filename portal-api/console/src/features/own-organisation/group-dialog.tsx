import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { Group } from '#/api/types';
import { useAccessWords } from '#/features/access/permissions';
import { useStepUp } from '#/features/factors/step-up';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Dialog } from '#/ui/dialog';
import { Field } from '#/ui/field';
import { ErrorState } from '#/ui/states';
import { Choices } from './choices';
import { type GroupInput, removeGroup, saveGroup } from './queries';
import './words';

type Props = { group: Group | null; permissions: readonly string[]; onClose: () => void };

/** Makes, changes or removes a group of one's organization. */
export function GroupDialog({ group, permissions, onClose }: Props) {
  const t = useWords();
  const words = useAccessWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [input, setInput] = useState<GroupInput>({
    name: group?.name ?? '',
    permissions: group?.permissions ?? [],
  });
  const done = async () => {
    onClose();
    await client.invalidateQueries({ queryKey: ['own-organisation'] });
  };
  const save = useMutation({
    mutationFn: guard<GroupInput, Group>((body) => saveGroup(group, body)),
    onSuccess: done,
  });
  const remove = useMutation({ mutationFn: guard<Group, void>(removeGroup), onSuccess: done });
  const error = save.error ?? remove.error;
  const problem = error ? toProblem(error) : null;
  return (
    <>
      <Dialog
        title={group ? t('own.edit_group', { name: group.name }) : t('own.add_group')}
        isOpen
        onClose={onClose}
      >
        <Form
          className="flex flex-col gap-4"
          validationErrors={problem?.byField()}
          onSubmit={(event) => {
            event.preventDefault();
            save.mutate(input);
          }}
        >
          <Field
            label={t('own.name')}
            name="name"
            maxLength={80}
            autoFocus
            value={input.name}
            onChange={(name) => setInput((old) => ({ ...old, name }))}
            isRequired
          />
          <Choices
            label={t('own.gives')}
            all={[...new Set([...permissions, ...input.permissions])].map((name) => ({
              value: name,
              label: words.permission(name),
            }))}
            chosen={input.permissions}
            onChange={(permissions) => setInput((old) => ({ ...old, permissions }))}
          />
          {problem && problem.errors.length === 0 && <ErrorState compact error={problem} />}
          <div className="flex flex-wrap justify-between gap-2">
            {group ? (
              <Button look="danger" onPress={() => remove.mutate(group)} isPending={remove.isPending}>
                {t('own.delete_group')}
              </Button>
            ) : (
              <Button onPress={onClose}>{t('ui.cancel')}</Button>
            )}
            <Button type="submit" look="primary" isPending={save.isPending}>
              {t('ui.save')}
            </Button>
          </div>
        </Form>
      </Dialog>
      {dialog}
    </>
  );
}
