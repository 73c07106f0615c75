import { Link } from '@tanstack/react-router';
import type { Conflict } from '#/api/types';
import { useWords, wordFor } from '#/lib/words';
import { QUEUE_LINK, QueueRow } from '#/ui/queue';
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
            className={QUEUE_LINK}
          >
            <QueueRow title={conflict.entity_name} since={conflict.opened_at}>
              {conflict.kind === 'delete'
                ? t('conflicts.deleted')
                : conflict.fields.map((field) => field.label).join(', ')}{' '}
              · {conflict.connection_name} · {wordFor(t, `entity.${conflict.entity}`, conflict.entity)}
            </QueueRow>
          </Link>
        </li>
      ))}
    </ul>
  );
}
