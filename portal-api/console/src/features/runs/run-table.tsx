import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import type { RunRow } from '#/api/types';
import { formatDuration, formatNumber } from '#/lib/format';
import { useWords, wordFor } from '#/lib/words';
import { NAME_LINK } from '#/ui/link';
import { StatusPill } from '#/ui/status-pill';
import { Subject } from '#/ui/subject';
import type { Column } from '#/ui/table';
import { Time } from '#/ui/time';
import { RUN_STATUS } from './state';

/** The columns of every list of runs. */
export function useRunColumns(): Column<RunRow>[] {
  const t = useWords();
  return useMemo(
    () => [
      {
        id: 'run',
        header: t('runs.run'),
        width: 'minmax(220px, 2fr)',
        phone: 'name',
        cell: (run) => {
          const workflow = wordFor(t, `workflow.${run.workflow}`, run.workflow);
          return (
            <Link
              to="/runs/$id"
              params={{ id: run.id }}
              className={NAME_LINK}
              aria-label={`${workflow} · ${run.subject}`}
            >
              <span className="inline-flex min-w-0 max-w-full align-bottom">
                <span className="shrink-0">{workflow}</span>
                <span className="flex min-w-0 font-normal whitespace-pre text-ink-2">
                  {' · '}
                  <Subject>{run.subject}</Subject>
                </span>
              </span>
            </Link>
          );
        },
      },
      {
        id: 'state',
        header: t('runs.state'),
        width: '132px',
        phone: 'status',
        cell: (run) => (
          <StatusPill status={RUN_STATUS[run.state]}>
            {wordFor(t, `run_state.${run.state}`, run.state)}
          </StatusPill>
        ),
      },
      {
        id: 'result',
        header: t('runs.result'),
        width: 'minmax(180px, 2fr)',
        phone: 'fact',
        hides: 3,
        cell: (run) => <Result run={run} />,
      },
      {
        id: 'trigger',
        header: t('runs.trigger'),
        width: '96px',
        hides: 1,
        cell: (run) => wordFor(t, `trigger.${run.trigger}`, run.trigger),
      },
      {
        id: 'attempt',
        header: t('runs.attempt'),
        width: '72px',
        align: 'right',
        hides: 1,
        cell: (run) => formatNumber(run.attempt),
      },
      {
        id: 'took',
        header: t('runs.took'),
        width: '92px',
        align: 'right',
        hides: 2,
        cell: (run) => <Took run={run} />,
      },
      {
        id: 'started',
        header: t('runs.started'),
        width: '124px',
        phone: 'fact',
        cell: (run) => <Time at={run.started_at ?? run.created_at} as="age" />,
      },
    ],
    [t],
  );
}

/** One line on what came of it: the error, the progress, or what changed. */
function Result({ run }: { run: RunRow }) {
  const t = useWords();
  if (run.error) {
    return (
      <span className="block truncate text-bad-ink first-letter:uppercase" title={run.error.message}>
        {run.error.message}
      </span>
    );
  }
  const { counts, progress } = run;
  if (progress && (run.state === 'running' || run.state === 'waiting')) {
    return (
      <span className="numeric">
        {progress.total == null
          ? t('runs.progress', { done: progress.done, unit: progress.unit })
          : t('runs.progress_of', { done: progress.done, total: progress.total, unit: progress.unit })}
      </span>
    );
  }
  if (!counts) return <span className="text-ink-3">—</span>;
  const parts = (['created', 'updated', 'deleted', 'written', 'conflicts', 'failed'] as const)
    .filter((name) => counts[name] > 0)
    .map((name) => t(`counts.${name}_n`, { count: counts[name] }));
  const text = parts.length > 0 ? parts.join(', ') : t('counts.nothing_changed');
  return (
    <span className="numeric" title={text}>
      {text}
    </span>
  );
}

function Took({ run }: { run: RunRow }) {
  if (!run.started_at || !run.finished_at) return <span className="text-ink-3">—</span>;
  return <span>{formatDuration(Date.parse(run.finished_at) - Date.parse(run.started_at))}</span>;
}
