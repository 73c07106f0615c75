import { useWords } from '#/lib/words';
import { CheckBox } from '#/ui/check-box';
import { Field } from '#/ui/field';
import { Select } from '#/ui/select';
import { type Config, initialAt, valueAt, withValue } from './config';
import { type FormField, sentence } from './schema';

type ConfigFormProps = {
  fields: readonly FormField[];
  config: Config;
  onChange: (config: Config) => void;
  /** The connection exists: a secret that is left empty stays as it is. */
  existing: boolean;
};

/** The fields a system asks for, drawn from its own description of them. */
export function ConfigForm({ fields, config, onChange, existing }: ConfigFormProps) {
  return fields.map((field) => (
    <ConfigField
      key={field.path.join('.')}
      field={field}
      config={config}
      onChange={onChange}
      existing={existing}
    />
  ));
}

type ConfigFieldProps = Omit<ConfigFormProps, 'fields'> & { field: FormField };

function ConfigField({ field, config, onChange, existing }: ConfigFieldProps) {
  const t = useWords();
  const value = valueAt(config, field.path);
  const set = (next: unknown) => onChange(withValue(config, field.path, next));
  const name = `config.${field.path.join('.')}`;
  const common = { label: field.label, name, help: field.help };
  const isRequired = field.required && !(field.secret && existing);
  switch (field.kind) {
    case 'text':
      return (
        <Field
          {...common}
          type={field.secret && !field.long ? 'password' : field.format === 'uri' ? 'url' : 'text'}
          autoComplete={field.secret ? 'new-password' : 'off'}
          lines={field.long ? 5 : undefined}
          mono={field.long}
          placeholder={field.secret && existing ? t('connections.secret_kept') : undefined}
          value={typeof value === 'string' ? value : ''}
          onChange={set}
          isRequired={isRequired}
        />
      );
    case 'number':
      return (
        <Field
          {...common}
          inputMode={field.whole ? 'numeric' : 'decimal'}
          value={value === undefined || value === null ? '' : String(value)}
          onChange={(typed) => set(typed === '' || Number.isNaN(Number(typed)) ? typed : Number(typed))}
          validate={(typed) =>
            problemOf(typed, field, t('form.number'), (least, most) => t('form.between', { least, most }))
          }
          isRequired={isRequired}
        />
      );
    case 'switch':
      return <CheckBox label={field.label} value={value === true} onChange={set} />;
    case 'choice':
      return (
        <Select
          {...common}
          value={typeof value === 'string' ? value : null}
          onChange={set}
          choices={field.choices.map((choice) => ({ value: choice, label: sentence(choice) }))}
          isRequired={isRequired}
        />
      );
    case 'list':
      return (
        <Field
          {...common}
          help={[field.help, t('form.one_a_line')].filter(Boolean).join(' ')}
          lines={3}
          value={Array.isArray(value) ? value.join('\n') : ''}
          onChange={(typed) => set(typed === '' ? undefined : typed.split('\n'))}
        />
      );
    case 'variant': {
      const tag = valueAt(config, [...field.path, field.tag]);
      const chosen = field.variants.find((variant) => variant.value === tag);
      return (
        <fieldset className="flex flex-col gap-4 border-l-2 border-line pl-4">
          <legend className="sr-only">{field.label}</legend>
          <Select
            {...common}
            help={chosen?.help ?? field.help}
            value={chosen?.value ?? null}
            onChange={(next) => {
              const variant = field.variants.find((one) => one.value === next);
              if (variant) set({ [field.tag]: next, ...initialAt(variant.fields, field.path) });
            }}
            choices={field.variants.map((variant) => ({
              value: variant.value,
              label: sentence(variant.value),
            }))}
            isRequired
          />
          {chosen && (
            <ConfigForm fields={chosen.fields} config={config} onChange={onChange} existing={existing} />
          )}
        </fieldset>
      );
    }
  }
}

function problemOf(
  typed: string,
  field: { whole: boolean; least?: number; most?: number },
  notNumber: string,
  range: (least: number, most: number) => string,
): string | null {
  if (typed === '') return null;
  const value = Number(typed);
  if (Number.isNaN(value) || (field.whole && !Number.isInteger(value))) return notNumber;
  const { least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY } = field;
  return value < least || value > most ? range(least, most) : null;
}
