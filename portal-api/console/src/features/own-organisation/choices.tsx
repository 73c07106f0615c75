import { CheckBox } from '#/ui/check-box';

type Props = {
  label: string;
  all: readonly { value: string; label: string }[];
  chosen: readonly string[];
  onChange: (chosen: string[]) => void;
  isDisabled?: boolean;
};

/** Some of a few. Nothing where there is nothing to choose from. */
export function Choices({ label, all, chosen, onChange, isDisabled }: Props) {
  if (all.length === 0) return null;
  return (
    <div role="group" aria-label={label} className="flex flex-col gap-1">
      <span aria-hidden className="text-xs font-medium text-ink-2">
        {label}
      </span>
      <div className="grid grid-cols-2 gap-x-4 rounded-control border border-line px-3 py-1.5 max-sm:grid-cols-1">
        {all.map((one) => (
          <CheckBox
            key={one.value}
            label={one.label}
            value={chosen.includes(one.value)}
            isDisabled={isDisabled}
            onChange={(on) =>
              onChange(on ? [...chosen, one.value] : chosen.filter((value) => value !== one.value))
            }
          />
        ))}
      </div>
    </div>
  );
}
