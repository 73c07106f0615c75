import { Link } from '@tanstack/react-router';
import type { Conflict } from '#/api/types';
import { useWords, wordFor } from '#/lib/words';
import { Time } from '#/ui/time';
import './words';

/** What the list is narrowed to, kept in the links to its rows. */
type LinkFilters = { state?: 'resolved'; entity?: 'account' | 'contact'; connection_id?: string };

type ConflictListProps = { conflicts: readonly Conflict[]; selected: string | null; filters: LinkFilters };

/** The queue, oldest worry first in the server's order; the address says which one is open. */
export function ConflictList({ conflicts, selected, filters }: ConflictListProps) {
  const t = useWords();
  return (
    <ul className="flex flex-col">
      {conflicts.map((conflict) => (
        <li key={conflict.id} className="border-b border-line last:border-0">
          <Link
            to="/conflicts"
            search={{ ...filters, id: conflict.id }}
            resetScroll={false}
            data-conflict={conflict.id}
            aria-current={conflict.id === selected ? 'true' : undefined}
            activeProps={{ 'aria-current': conflict.id === selected ? 'true' : undefined }}
            className="flex flex-col gap-0.5 px-4 py-2.5 no-underline -outline-offset-2 hover:bg-hover aria-[current=true]:bg-accent-soft"
          >
            <span className="flex items-baseline justify-between gap-3">
              <span className="min-w-0 truncate text-sm font-medium text-ink">{conflict.entity_name}</span>
              <span className="shrink-0 text-xs text-ink-2">
                <Time at={conflict.opened_at} as="age" />
              </span>
            </span>
            <span className="truncate text-xs text-ink-2">
              {conflict.kind === 'delete'
                ? t('conflicts.deleted')
                : conflict.fields.map((field) => field.label).join(', ')}{' '}
              · {conflict.connection_name} · {wordFor(t, `entity.${conflict.entity}`, conflict.entity)}
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}
