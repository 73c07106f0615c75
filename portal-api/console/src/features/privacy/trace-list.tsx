import { formatNumber } from '#/lib/format';
import { useWords, wordFor } from '#/lib/words';
import './words';
import { marks, traces } from './traces';

/** How many rows of what: before it is done and afterwards. */
export function TraceList({ destroyed }: { destroyed: Readonly<Record<string, number>> }) {
  const t = useWords();
  const found = traces(destroyed);
  return (
    <div className="flex flex-col gap-2">
      {found.length === 0 ? (
        <p className="text-sm text-ink-2">{t('erasures.no_traces')}</p>
      ) : (
        <dl className="flex flex-col divide-y divide-line">
          {found.map(({ kind, count }) => (
            <div key={kind} className="flex items-baseline justify-between gap-4 py-1.5 text-sm">
              <dt className="min-w-0">
                <span className="text-ink">{wordFor(t, `trace.${kind}`, kind)}</span>
                <span className="block text-xs text-ink-2">{wordFor(t, `trace_help.${kind}`, '')}</span>
              </dt>
              <dd className="numeric text-ink">{formatNumber(count)}</dd>
            </div>
          ))}
        </dl>
      )}
      {marks(destroyed) > 0 && (
        <p className="text-xs text-ink-2">{t('erasures.marks', { count: marks(destroyed) })}</p>
      )}
    </div>
  );
}
