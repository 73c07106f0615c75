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
  /** Whether what is typed can stand for itself. */
  free?: (typed: string) => boolean;
  inline?: boolean;
};

/** One of many choices, found by typing. */
export function ComboBox(props: ComboProps) {
  const { label, placeholder, choices, value, onChange, onType, free, inline = false } = props;
  const t = useWords();
  const labelOf = (key: string) => choices.find((choice) => choice.value === key)?.label ?? key;
  const shown = labelOf(value);
  // Both change at once here, although the value comes back from the address a moment later: a list that sees its text
  // change by itself opens again.
  const [chosen, setChosen] = useState(value);
  const [typed, setTyped] = useState(shown);
  useEffect(() => {
    setChosen(value);
    setTyped(shown);
  }, [value, shown]);
  const wanted = typed.trim().toLowerCase();
  const fitting =
    onType || typed === labelOf(chosen)
      ? choices
      : choices.filter((choice) => choice.label.toLowerCase().includes(wanted));
  function choose(key: string) {
    setChosen(key);
    setTyped(labelOf(key));
    if (key !== value) onChange(key);
  }
  function type(text: string) {
    setTyped(text);
    onType?.(text);
    if (text === '' && chosen !== '') choose('');
  }
  /** Takes what is typed, where it names a choice or can stand for itself; otherwise shows what is chosen. */
  function settle() {
    if (typed === labelOf(chosen) || wanted === '') return;
    const named = choices.find((choice) => choice.label.toLowerCase() === wanted);
    if (named) choose(named.value);
    else if (free?.(typed.trim())) choose(typed.trim());
    else setTyped(labelOf(chosen));
  }
  function onKeyDown(event: React.KeyboardEvent) {
    // Enter on an option chooses it, which is not ours to do.
    const isOnOption = event.target instanceof Element && event.target.hasAttribute('aria-activedescendant');
    if (event.key === 'Enter' && !isOnOption) settle();
  }
  return (
    <AriaComboBox
      items={fitting.map((choice) => ({ ...choice, id: choice.value }))}
      inputValue={typed}
      onInputChange={type}
      value={chosen === '' ? null : chosen}
      onChange={(key) => key !== null && choose(String(key))}
      onBlur={settle}
      onKeyDown={onKeyDown}
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
      <Popover className="w-(--trigger-width) min-w-64 rounded-menu border border-line bg-raised shadow-float">
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
