import { FieldError } from 'react-aria-components/FieldError';
import { Input } from 'react-aria-components/Input';
import { Label } from 'react-aria-components/Label';
import { Text } from 'react-aria-components/Text';
import { TextArea } from 'react-aria-components/TextArea';
import { TextField, type TextFieldProps } from 'react-aria-components/TextField';

export const INPUT =
  'w-full min-w-0 rounded-control border border-edge bg-surface px-2 text-sm text-ink placeholder:text-ink-3 disabled:bg-sunken disabled:text-ink-3 invalid:border-bad focus:outline-2 focus:outline-offset-0 focus:outline-focus pointer-coarse:min-h-11 pointer-coarse:text-lg';

type FieldProps = Omit<TextFieldProps, 'className' | 'children'> & {
  label: string;
  help?: string;
  placeholder?: string;
  /** Several lines; the number is how many are seen at once. */
  lines?: number;
  mono?: boolean;
};

export function Field({ label, help, placeholder, lines, mono = false, ...rest }: FieldProps) {
  const font = mono ? 'font-mono' : '';
  return (
    <TextField {...rest} className="group/field flex min-w-0 flex-col gap-1">
      <Label className="text-xs font-medium text-ink-2">
        {label}
        {rest.isRequired && (
          <span aria-hidden className="text-bad-ink">
            {' '}
            *
          </span>
        )}
      </Label>
      {lines ? (
        <TextArea rows={lines} placeholder={placeholder} className={`${INPUT} py-1.5 ${font}`} />
      ) : (
        <Input placeholder={placeholder} className={`${INPUT} h-8 ${font}`} />
      )}
      {/* A fault stands in its place: when it goes as the field is left, what is below stays under the pointer. */}
      {help && (
        <Text slot="description" className="text-xs text-ink-3 group-invalid/field:hidden">
          {help}
        </Text>
      )}
      <FieldError className="text-xs text-bad-ink" />
    </TextField>
  );
}
