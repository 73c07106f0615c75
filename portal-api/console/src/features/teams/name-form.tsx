import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Field } from '#/ui/field';
import './words';
import { ErrorState } from '#/ui/states';

type FormProps<T> = {
  /** As it is stored; the empty text for a new one. */
  name: string;
  label: string;
  help?: string;
  save: (name: string) => Promise<T>;
  onSaved: (saved: T) => void;
  submit: string;
  mayEdit?: boolean;
  /** Beside the button. */
  children?: React.ReactNode;
};

/** The name of a team or of a partner organisation. */
export function NameForm<T>(props: FormProps<T>) {
  const { name, label, help, save, onSaved, submit, mayEdit = true, children } = props;
  const t = useWords();
  // Only what is typed: a change by somebody else shows through until then.
  const [typed, setTyped] = useState<string | null>(null);
  const entry = useMutation({
    mutationFn: save,
    onSuccess: (saved) => {
      setTyped(null);
      onSaved(saved);
    },
  });
  const problem = entry.error ? toProblem(entry.error) : null;
  return (
    <Form
      className="flex flex-col gap-4"
      validationErrors={problem?.byField()}
      onSubmit={(event) => {
        event.preventDefault();
        entry.mutate(typed ?? name);
      }}
    >
      <Field
        label={label}
        help={help}
        name="name"
        maxLength={80}
        autoFocus={name === ''}
        value={typed ?? name}
        onChange={setTyped}
        validate={(text) => (text.trim() === '' ? t('form.required') : null)}
        isDisabled={!mayEdit}
        isRequired
      />
      {problem && problem.errors.length === 0 && <ErrorState compact error={problem} />}
      {mayEdit && (
        <div className="flex gap-2">
          <Button
            type="submit"
            look="primary"
            isPending={entry.isPending}
            isDisabled={name !== '' && (typed === null || typed === name)}
          >
            {submit}
          </Button>
          {children}
        </div>
      )}
    </Form>
  );
}
