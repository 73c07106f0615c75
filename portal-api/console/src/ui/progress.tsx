import { ProgressBar } from 'react-aria-components/ProgressBar';

/** How far along, with the figures in words above the bar. */
export function Progress({
  label,
  text,
  done,
  total,
}: {
  label: string;
  text: string;
  done: number;
  total?: number | null;
}) {
  const known = total != null && total > 0;
  const share = known ? Math.min(100, (done / total) * 100) : 0;
  return (
    <ProgressBar
      aria-label={label}
      value={share}
      valueLabel={text}
      isIndeterminate={!known}
      className="flex flex-col gap-1.5"
    >
      <p className="numeric flex justify-between gap-4 text-sm text-ink">
        <span>{label}</span>
        <span>{text}</span>
      </p>
      <div className="h-1.5 overflow-hidden rounded-full bg-hover">
        {known ? (
          <div className="h-full rounded-full bg-run" style={{ width: `${share}%` }} />
        ) : (
          <div className="h-full w-1/4 animate-thin rounded-full bg-run" />
        )}
      </div>
    </ProgressBar>
  );
}
