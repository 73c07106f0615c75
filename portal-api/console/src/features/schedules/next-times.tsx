import { formatIn, formatUtc } from '#/lib/format';
import { useWords } from '#/lib/words';
import { Time } from '#/ui/time';
import './words';

/** The next five times, in the schedule's zone and the viewer's: what a change of clocks does is seen here. */
export function NextTimes({
  next,
  zone,
  paused,
}: {
  /** Jitter included. */
  next: readonly string[];
  zone: string;
  paused: boolean;
}) {
  const t = useWords();
  if (paused) return <p className="text-sm text-ink-2">{t('schedules.paused_text')}</p>;
  if (next.length === 0) return <p className="text-sm text-ink-2">{t('schedules.never')}</p>;
  return (
    <ol className="flex flex-col">
      {next.map((at) => (
        <li
          key={at}
          className="numeric flex flex-wrap items-baseline justify-between gap-x-4 border-b border-line py-1.5 text-sm last:border-0"
        >
          <span className="text-ink" title={formatUtc(at)}>
            {formatIn(at, zone)}
          </span>
          <span className="text-xs text-ink-2">
            <Time at={at} /> · <Time at={at} as="age" />
          </span>
        </li>
      ))}
    </ol>
  );
}
