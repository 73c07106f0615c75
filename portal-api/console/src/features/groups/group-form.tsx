import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { Group } from '#/api/types';
import { PermissionPicker } from '#/features/access/permission-picker';
import { useStepUp } from '#/features/factors/step-up';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Field } from '#/ui/field';
import { ErrorState } from '#/ui/states';
import type { GroupInput } from './queries';

type FormProps = {
  group: GroupInput;
  save: (input: GroupInput) => Promise<Group>;
  onSaved: (group: Group) => void;
  submit: string;
  mayEdit: boolean;
  /** Beside the button. */
  children?: React.ReactNode;
};

/** A group's name and what it gives its members. */
export function GroupForm({ group, save, onSaved, submit, mayEdit, children }: FormProps) {
  const t = useWords();
  const { guard, dialog } = useStepUp();
  // Only what is edited: what comes anew from the server shows through everywhere else.
  const [edits, setEdits] = useState<Partial<GroupInput>>({});
  const { name, permissions } = { ...group, ...edits };
  const entry = useMutation({
    mutationFn: guard<GroupInput, Group>(save),
    onSuccess: (saved) => {
      setEdits({});
      onSaved(saved);
    },
  });
  const problem = entry.error ? toProblem(entry.error) : null;
  return (
    <>
      <Form
        className="flex flex-col gap-4"
        validationErrors={problem?.byField()}
        onSubmit={(event) => {
          event.preventDefault();
          entry.mutate({ name, permissions });
        }}
      >
        <Field
          label={t('groups.name')}
          name="name"
          maxLength={80}
          value={name}
          onChange={(name) => setEdits((old) => ({ ...old, name }))}
          isDisabled={!mayEdit}
          isRequired
        />
        <div className="flex flex-col gap-1">
          <span className="text-xs font-medium text-ink-2">{t('groups.gives')}</span>
          <PermissionPicker
            label={t('groups.gives')}
            chosen={permissions}
            onChange={(permissions) => setEdits((old) => ({ ...old, permissions }))}
            isDisabled={!mayEdit}
          />
        </div>
        {problem && <ErrorState compact error={problem} />}
        {mayEdit && (
          <div className="flex gap-2">
            <Button type="submit" look="primary" isPending={entry.isPending}>
              {submit}
            </Button>
            {children}
          </div>
        )}
      </Form>
      {dialog}
    </>
  );
}
