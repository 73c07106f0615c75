import { Check } from 'lucide-react';
import { Checkbox as AriaCheckbox } from 'react-aria-components/Checkbox';

type CheckBoxProps = {
  label: string;
  value: boolean;
  onChange: (value: boolean) => void;
  isDisabled?: boolean;
  /** The label is for assistive technology only; the column head says it to the others. */
  bare?: boolean;
  /** Less important words after the label. */
  help?: React.ReactNode;
};

export function CheckBox({ label, value, onChange, isDisabled, bare = false, help }: CheckBoxProps) {
  return (
    <AriaCheckbox
      isSelected={value}
      onChange={onChange}
      isDisabled={isDisabled}
      aria-label={bare ? label : undefined}
      className="group flex min-h-6 items-center gap-2 text-sm text-ink disabled:text-ink-3 pointer-coarse:min-h-11"
    >
      <span className="flex size-4 shrink-0 items-center justify-center rounded-tag border border-edge bg-surface group-selected:border-accent group-selected:bg-accent group-focus-visible:outline-2 group-focus-visible:outline-offset-2 group-focus-visible:outline-focus group-disabled:border-line">
        <Check aria-hidden size={12} strokeWidth={3} className="hidden text-on-accent group-selected:block" />
      </span>
      {!bare && (
        <span className="min-w-0">
          {label}
          {help && <span className="ml-2 text-xs text-ink-3">{help}</span>}
        </span>
      )}
    </AriaCheckbox>
  );
}
