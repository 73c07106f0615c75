import { Check, X } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { Input } from 'react-aria-components/Input';
import { Label } from 'react-aria-components/Label';
import { TextArea } from 'react-aria-components/TextArea';
import { TextField } from 'react-aria-components/TextField';
import type { Field } from '#/api/types';
import { useWords } from '#/lib/words';
import { IconButton } from '#/ui/button';
import { CheckBox } from '#/ui/check-box';
import { INPUT } from '#/ui/field';
import { Select } from '#/ui/select';
import { typedValue, writable } from './typed';
import './words';

type FieldFormProps = {
  field: Field;
  value: unknown;
  /** What the server said against the last try. */
  problem?: string;
  isSaving: boolean;
  onSave: (value: unknown) => void;
  onCancel: () => void;
};

/** One field in place of its value: `Enter` saves, `Esc` leaves it as it was. */
export function FieldForm({ field, value, problem, isSaving, onSave, onCancel }: FieldFormProps) {
  const t = useWords();
  const [typed, setTyped] = useState(() => writable(value));
  const [refused, setRefused] = useState<string | null>(null);
  const shown = refused ?? problem;
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    const element = form.current;
    function onKey(event: KeyboardEvent) {
      if (event.key === 'Escape' && !event.defaultPrevented) onCancel();
    }
    element?.addEventListener('keydown', onKey);
    return () => element?.removeEventListener('keydown', onKey);
  }, [onCancel]);

  function submit(text: string) {
    const result = typedValue(field, text);
    if ('problem' in result) setRefused(t(result.problem, { most: field.max_length ?? 0 }));
    else {
      setRefused(null);
      onSave(result.value);
    }
  }
  return (
    <Form
      ref={form}
      aria-label={t('grid.edit_named', { field: field.label })}
      className="flex min-w-0 flex-col gap-1"
      onSubmit={(event) => {
        event.preventDefault();
        submit(typed);
      }}
    >
      <div className="flex min-w-0 items-center gap-1">
        <div className="min-w-0 flex-1">
          <Control
            field={field}
            typed={typed}
            setTyped={setTyped}
            isBad={shown !== undefined && shown !== null}
            onEnter={() => submit(typed)}
          />
        </div>
        <IconButton
          dense
          type="submit"
          size="small"
          icon={Check}
          label={t('grid.save_named', { field: field.label })}
          isDisabled={isSaving}
        />
        <IconButton dense size="small" icon={X} label={t('ui.cancel')} onPress={onCancel} />
      </div>
      {shown && (
        <p role="alert" className="text-xs font-normal text-bad-ink">
          {shown}
        </p>
      )}
    </Form>
  );
}

type ControlProps = {
  field: Field;
  typed: string;
  setTyped: (typed: string) => void;
  isBad: boolean;
  onEnter: () => void;
};

const INPUT_TYPE: Record<string, string> = {
  email: 'email',
  phone: 'tel',
  url: 'text',
  date: 'date',
  instant: 'datetime-local',
};

function Control({ field, typed, setTyped, isBad, onEnter }: ControlProps) {
  const t = useWords();
  if (field.type === 'boolean') {
    return <CheckBox label={field.label} value={typed === 'true'} onChange={(on) => setTyped(String(on))} />;
  }
  if (field.type === 'choice' && field.choices.length > 0) {
    return (
      <Select
        label={field.label}
        value={typed}
        onChange={setTyped}
        choices={[
          ...(field.required ? [] : [{ value: '', label: t('value.none') }]),
          ...field.choices.map((choice) => ({ value: choice, label: choice })),
        ]}
      />
    );
  }
  if (field.type === 'choices' && field.choices.length > 0) {
    const chosen = typed === '' ? [] : typed.split('\n');
    return (
      <fieldset className="flex flex-col">
        <legend className="sr-only">{field.label}</legend>
        {field.choices.map((choice) => (
          <CheckBox
            key={choice}
            label={choice}
            value={chosen.includes(choice)}
            onChange={(on) =>
              setTyped((on ? [...chosen, choice] : chosen.filter((one) => one !== choice)).join('\n'))
            }
          />
        ))}
      </fieldset>
    );
  }
  const long = field.type === 'long_text';
  return (
    <TextField value={typed} onChange={setTyped} autoFocus isInvalid={isBad} className="flex flex-col">
      <Label className="sr-only">{field.label}</Label>
      {long ? (
        <TextArea
          rows={4}
          className={`${INPUT} py-1`}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) onEnter();
          }}
        />
      ) : (
        <Input
          type={INPUT_TYPE[field.type] ?? 'text'}
          inputMode={['currency', 'decimal', 'integer'].includes(field.type) ? 'decimal' : undefined}
          className={`${INPUT} h-7`}
        />
      )}
    </TextField>
  );
}
