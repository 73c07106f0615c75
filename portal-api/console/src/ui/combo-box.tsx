import { ChevronDown } from 'lucide-react';
import { useEffect, useState } from 'react';
import { Button } from 'react-aria-components/Button';
import { ComboBox as AriaComboBox } from 'react-aria-components/ComboBox';
import { Input } from 'react-aria-components/Input';
import { Label } from 'react-aria-components/Label';
import { ListBox, ListBoxItem } from 'react-aria-components/ListBox';
import { Popover } from 'react-aria-components/Popover';
import { useWords } from '#/lib/words';
import type { Choice } from './select';

type ComboProps = {
  label: string;
  placeholder?: string;
  /** What can be chosen; the chosen one must be among them. */
  choices: readonly Choice[];
  value: string;
  /** The empty text where nothing is chosen any more. */
  onChange: (value: string) => void;
  /** The choices are looked up by what is typed; without, they are narrowed here. */
  onType?: (typed: string) => void;
  /** What is typed can stand for itself. */
  free?: boolean;
  inline?: boolean;
};

/** One of many choices, found by typing. */
export function ComboBox(props: ComboProps) {
  const { label, placeholder, choices, value, onChange, onType, free = false, inline = false } = props;
  const t = useWords();
  const shown = choices.find((choice) => choice.value === value)?.label ?? value;
  const [typed, setTyped] = useState(shown);
  useEffect(() => setTyped(shown), [shown]);
  const wanted = typed.trim().toLowerCase();
  const fitting =
    onType || typed === shown
      ? choices
      : choices.filter((choice) => choice.label.toLowerCase().includes(wanted));
  function type(text: string) {
    setTyped(text);
    onType?.(text);
    if (text === '' && value !== '') onChange('');
  }
  function settle() {
    if (typed === shown) return;
    if (free && typed.trim() !== '') onChange(typed.trim());
    else if (typed !== '') setTyped(shown);
  }
  return (
    <AriaComboBox
      items={fitting.map((choice) => ({ ...choice, id: choice.value }))}
      inputValue={typed}
      onInputChange={type}
      value={value === '' ? null : value}
      onChange={(key) => key !== null && onChange(String(key))}
      onBlur={settle}
      onKeyDown={(event) => event.key === 'Enter' && settle()}
      menuTrigger="focus"
      allowsCustomValue
      allowsEmptyCollection
      className={inline ? 'flex items-center gap-1.5' : 'flex min-w-0 flex-col gap-1'}
    >
      <Label className={`text-xs text-ink-2 ${inline ? 'whitespace-nowrap' : 'font-medium'}`}>{label}</Label>
      <div className="relative min-w-0">
        <Input
          placeholder={placeholder}
          className={`h-8 rounded-control border border-edge bg-surface pr-7 pl-2 text-sm text-ink placeholder:text-ink-3 focus:outline-2 focus:outline-focus pointer-coarse:min-h-11 pointer-coarse:text-lg ${inline ? 'w-44' : 'w-full'}`}
        />
        <Button className="absolute top-1/2 right-1 flex size-6 -translate-y-1/2 items-center justify-center rounded-tag text-ink-3 hover:text-ink">
          <ChevronDown aria-hidden size={14} />
        </Button>
      </div>
      <Popover className="w-64 rounded-menu border border-line bg-raised shadow-float">
        <ListBox<Choice>
          className="max-h-80 overflow-auto p-1 outline-none"
          renderEmptyState={() => <p className="px-2 py-1 text-sm text-ink-2">{t('filter.nothing')}</p>}
        >
          {(choice) => (
            <ListBoxItem
              id={choice.value}
              textValue={choice.label}
              className="truncate rounded-control px-2 py-1 text-sm text-ink outline-none focus:bg-hover selected:font-medium touch"
            >
              {choice.label}
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </AriaComboBox>
  );
}
