import { useId } from 'react';

type DayProps = { label: string; value: string; onChange: (day: string) => void; max?: string; min?: string };

/** A day, `2026-11-20`, with the browser's own calendar; the empty text where there is none. */
export function DayField({ label, value, onChange, min, max }: DayProps) {
  const id = useId();
  return (
    <span className="flex items-center gap-1.5">
      <label htmlFor={id} className="text-xs whitespace-nowrap text-ink-2">
        {label}
      </label>
      <input
        id={id}
        type="date"
        value={value}
        min={min}
        max={max}
        onChange={(event) => onChange(event.target.value)}
        className="numeric h-8 rounded-control border border-edge bg-surface px-2 text-sm text-ink focus:outline-2 focus:outline-focus pointer-coarse:min-h-11"
      />
    </span>
  );
}
