import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import {
  ArrowRight,
  CircleAlert,
  GitCompareArrows,
  GitMerge,
  Link2,
  type LucideIcon,
  Pencil,
  Pin,
  Plus,
  RotateCcw,
  Send,
  Trash2,
  Undo2,
} from 'lucide-react';
import { useMemo } from 'react';
import type { TimelineEntry } from '#/api/types';
import { useWords } from '#/lib/words';
import { LINK } from '#/ui/link';
import { LoadMore } from '#/ui/load-more';
import { QueryView } from '#/ui/query-view';
import { EmptyState } from '#/ui/states';
import { Time } from '#/ui/time';
import { Value } from '#/ui/value';
import { type Noun, timelineQuery } from './queries';
import './words';

const ICON: Record<string, LucideIcon> = {
  created: Plus,
  merged: GitMerge,
  edited: Pencil,
  written: Send,
  write_failed: CircleAlert,
  conflict_opened: GitCompareArrows,
  conflict_resolved: GitCompareArrows,
  removed: Trash2,
  restored: RotateCcw,
  undone: Undo2,
  undo_kept: Pin,
  linked: Link2,
  joined: GitMerge,
  relinked: Link2,
};
const TONE: Record<string, string> = {
  write_failed: 'text-bad',
  conflict_opened: 'text-hold',
  written: 'text-ok',
};

/** What happened to this record, newest first. */
export function Timeline({ noun, id }: { noun: Noun; id: string }) {
  const t = useWords();
  const query = useInfiniteQuery(timelineQuery(noun, id));
  const entries = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);
  return (
    <QueryView query={query} loading={t('timeline.loading')} skeletonRows={5}>
      {() =>
        entries.length === 0 ? (
          <EmptyState title={t('timeline.empty')} />
        ) : (
          <>
            <ol className="flex flex-col">
              {entries.map((entry) => (
                <Entry key={entry.id} entry={entry} />
              ))}
            </ol>
            <LoadMore query={query} />
          </>
        )
      }
    </QueryView>
  );
}

function Entry({ entry }: { entry: TimelineEntry }) {
  const t = useWords();
  const Icon = ICON[entry.kind] ?? GitMerge;
  // A write changes nothing here: its fields stand in the title, without values.
  const changes = entry.changes.filter((change) => change.old !== null || change.new !== null);
  return (
    <li className="flex gap-3 border-b border-line px-4 py-2.5 last:border-0">
      <Icon
        aria-hidden
        size={16}
        strokeWidth={1.75}
        className={`mt-0.5 shrink-0 ${TONE[entry.kind] ?? 'text-ink-3'}`}
      />
      <div className="flex min-w-0 flex-1 flex-col gap-0.5">
        <p className="text-sm break-words text-ink">{entry.title}</p>
        <p className="flex flex-wrap gap-x-2 text-xs text-ink-2">
          <Time at={entry.at} as="age" />
          {entry.who && <span>{entry.who}</span>}
          {entry.run_id && (
            <Link to="/runs/$id" params={{ id: entry.run_id }} className={LINK}>
              {t('grid.run')}
            </Link>
          )}
        </p>
        {changes.length > 0 && (
          <dl className="mt-1 flex flex-col gap-0.5 text-xs">
            {changes.map((change) => (
              <div key={change.field} className="flex min-w-0 flex-wrap items-baseline gap-x-2">
                <dt className="text-ink-2">{change.label}</dt>
                <dd className="flex min-w-0 items-baseline gap-1.5 text-ink">
                  <span className="min-w-0 text-ink-2">
                    <Value value={change.old} />
                  </span>
                  <ArrowRight
                    role="img"
                    aria-label={t('timeline.became')}
                    size={10}
                    className="shrink-0 text-ink-3"
                  />
                  <span className="min-w-0">
                    <Value value={change.new} />
                  </span>
                </dd>
              </div>
            ))}
          </dl>
        )}
      </div>
    </li>
  );
}
