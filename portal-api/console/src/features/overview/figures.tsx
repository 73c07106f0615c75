import { Link } from '@tanstack/react-router';
import type { Overview } from '#/api/types';
import { formatAge, formatNumber } from '#/lib/format';
import { useWords } from '#/lib/words';

/** The queue and what is in the core, in one strip; each figure leads to its rows. */
export function Figures({ overview }: { overview: Overview }) {
  const t = useWords();
  const { runs, writes, records } = overview;
  const oldest = overview.oldest_pending_write_at;
  return (
    <ul className="grid grid-cols-4 gap-px overflow-hidden rounded-panel border border-line bg-line max-lg:grid-cols-2">
      <Figure
        label={t('figures.running')}
        value={runs.running}
        note={t('figures.queued', { count: runs.queued })}
        to={{ to: '/runs', search: { state: 'running' } }}
      />
      <Figure
        label={t('figures.failed')}
        value={runs.failed_24h}
        bad={runs.failed_24h > 0}
        note={t('figures.succeeded', { count: runs.succeeded_24h })}
        to={{ to: '/runs', search: { state: 'failed' } }}
      />
      <Figure
        label={t('figures.writes')}
        value={writes.pending}
        bad={writes.failed > 0}
        note={
          writes.failed > 0
            ? t('figures.writes_failed', { count: writes.failed })
            : oldest
              ? t('figures.oldest', { age: formatAge(oldest) })
              : t('figures.nothing_owed')
        }
        to={{ to: '/runs', search: { workflow: 'push_writes' } }}
      />
      <Figure
        label={t('figures.records')}
        value={records.accounts + records.contacts}
        note={t('figures.records_of', { accounts: records.accounts, contacts: records.contacts })}
        to={{ to: '/accounts', search: {} }}
      />
    </ul>
  );
}

type Target =
  | { to: '/runs'; search: { state?: 'running' | 'failed'; workflow?: string } }
  | { to: '/accounts'; search: Record<string, never> };

function Figure({
  label,
  value,
  note,
  bad = false,
  to,
}: {
  label: string;
  value: number;
  note: string;
  bad?: boolean;
  to: Target;
}) {
  return (
    <li className="bg-surface">
      <Link
        {...to}
        className="flex h-full flex-col gap-0.5 px-4 py-3 text-ink no-underline -outline-offset-2 hover:bg-hover"
      >
        <span className="text-xs text-ink-2">{label}</span>
        <span className={`numeric text-2xl font-semibold tracking-[-0.01em] ${bad ? 'text-bad-ink' : ''}`}>
          {formatNumber(value)}
        </span>
        <span className="numeric text-xs text-ink-2">{note}</span>
      </Link>
    </li>
  );
}
