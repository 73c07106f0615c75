import type { RunCounts } from '#/api/types';
import { formatNumber } from '#/lib/format';
import { useWords } from '#/lib/words';

const ORDER = [
  'read',
  'created',
  'updated',
  'unchanged',
  'deleted',
  'conflicts',
  'failed',
  'written',
] as const;
const TONE: Partial<Record<(typeof ORDER)[number], string>> = {
  failed: 'text-bad-ink',
  conflicts: 'text-hold-ink',
};

/** What a run did, in figures. */
export function Counts({ counts }: { counts: RunCounts }) {
  const t = useWords();
  return (
    <dl className="grid grid-cols-8 gap-px overflow-hidden rounded-panel border border-line bg-line max-lg:grid-cols-4">
      {ORDER.map((name) => (
        <div key={name} className="flex flex-col-reverse bg-surface px-4 py-2 max-sm:px-2">
          <dt className="text-xs text-ink-2">{t(`counts.${name}`)}</dt>
          <dd
            className={`numeric text-xl font-semibold ${counts[name] > 0 ? (TONE[name] ?? 'text-ink') : 'text-ink-3'}`}
          >
            {formatNumber(counts[name])}
          </dd>
        </div>
      ))}
    </dl>
  );
}
