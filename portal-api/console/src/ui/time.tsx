import { formatAge, formatInstant, formatShort, formatUtc } from '#/lib/format';

type TimeProps = {
  at: string | null | undefined;
  /** `age` counts from now, `short` is day and minute, `full` goes to the second. */
  as?: 'age' | 'short' | 'full';
  now?: number;
};

/** An instant in the viewer's zone, with UTC on hover. */
export function Time({ at, as = 'short', now }: TimeProps) {
  if (!at) return <span className="text-ink-3">—</span>;
  const text = as === 'age' ? formatAge(at, now) : as === 'full' ? formatInstant(at) : formatShort(at);
  return (
    <time
      dateTime={at}
      title={as === 'short' ? formatUtc(at) : `${formatInstant(at)} · ${formatUtc(at)}`}
      className="numeric whitespace-nowrap"
    >
      {text}
    </time>
  );
}
