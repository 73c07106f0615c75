import { Check, ChevronDown } from 'lucide-react';
import { Button } from 'react-aria-components/Button';
import { FieldError } from 'react-aria-components/FieldError';
import { Label } from 'react-aria-components/Label';
import { ListBox, ListBoxItem } from 'react-aria-components/ListBox';
import { Popover } from 'react-aria-components/Popover';
import { Select as AriaSelect, SelectValue } from 'react-aria-components/Select';
import { Text } from 'react-aria-components/Text';

export type Choice = { value: string; label: string };

type SelectProps = {
  label: string;
  choices: readonly Choice[];
  value: string | null;
  onChange: (value: string) => void;
  help?: string;
  name?: string;
  placeholder?: string;
  /** The label stands beside the button, for rows of filters. */
  inline?: boolean;
  isRequired?: boolean;
  isDisabled?: boolean;
};

/** One of a handful of choices; the empty string is a choice too («Any»). */
export function Select({ label, choices, value, onChange, help, inline = false, ...rest }: SelectProps) {
  return (
    <AriaSelect
      {...rest}
      value={value === null ? null : keyOf(value)}
      onChange={(key) => onChange(choiceOf(String(key ?? '')))}
      className={inline ? 'flex items-center gap-1.5' : 'flex min-w-0 flex-col gap-1'}
    >
      <Label className={`text-xs text-ink-2 ${inline ? 'whitespace-nowrap' : 'font-medium'}`}>{label}</Label>
      <Button className="flex h-8 min-w-0 items-center justify-between gap-2 rounded-control border border-edge bg-surface px-2 text-sm text-ink hover:bg-hover disabled:border-line disabled:text-ink-3 touch">
        <SelectValue className="truncate placeholder-shown:text-ink-3">
          {({ selectedText, defaultChildren }) => selectedText || defaultChildren}
        </SelectValue>
        <ChevronDown aria-hidden size={14} className="shrink-0 text-ink-3" />
      </Button>
      {help && (
        <Text slot="description" className="text-xs text-ink-3">
          {help}
        </Text>
      )}
      <FieldError className="text-xs text-bad-ink" />
      <Popover className="min-w-(--trigger-width) rounded-menu border border-line bg-raised shadow-float">
        <ListBox className="max-h-80 overflow-auto p-1 outline-none">
          {choices.map((choice) => (
            <ListBoxItem
              key={choice.value}
              id={keyOf(choice.value)}
              textValue={choice.label}
              className="flex items-center justify-between gap-4 rounded-control px-2 py-1 text-sm text-ink outline-none focus:bg-hover selected:font-medium touch"
            >
              {({ isSelected }) => (
                <>
                  <span className="truncate">{choice.label}</span>
                  {isSelected && <Check aria-hidden size={14} className="shrink-0 text-accent-ink" />}
                </>
              )}
            </ListBoxItem>
          ))}
        </ListBox>
      </Popover>
    </AriaSelect>
  );
}

/** Collections cannot hold an empty key. */
function keyOf(value: string): string {
  return `=${value}`;
}

function choiceOf(key: string): string {
  return key.slice(1);
}
