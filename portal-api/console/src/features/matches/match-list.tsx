import { Link } from '@tanstack/react-router';
import type { Match } from '#/api/types';
import { useWords, wordFor } from '#/lib/words';
import { QUEUE_LINK, QueueRow } from '#/ui/queue';
import { textOf } from '#/ui/value';
import type { MatchSearch } from './queries';
import './words';

type MatchListProps = {
  matches: readonly Match[];
  selected: string | null;
  /** What the list is narrowed to, kept in the links to its rows. */
  filters: MatchSearch;
};

/** The newest first, in the server's order; the address says which one is open. */
export function MatchList({ matches, selected, filters }: MatchListProps) {
  const t = useWords();
  return (
    <ul className="flex flex-col">
      {matches.map((match) => (
        <li key={match.id} className="border-b border-line last:border-0">
          <Link
            to="/matches"
            search={{ ...filters, id: match.id }}
            resetScroll={false}
            aria-current={match.id === selected ? 'true' : undefined}
            activeProps={{ 'aria-current': match.id === selected ? 'true' : undefined }}
            className={QUEUE_LINK}
          >
            <QueueRow title={nameOf(match)} since={match.opened_at}>
              {t('matches.candidates', { count: match.candidates.length })} · {match.connection_name} ·{' '}
              {wordFor(t, `entity.${match.entity}`, match.entity)}
            </QueueRow>
          </Link>
        </li>
      ))}
    </ul>
  );
}

/** What it calls itself, as far as a comparison says so; else what the likeliest is called, or its key. */
function nameOf(match: Match): string {
  const evidence = match.candidates.flatMap((candidate) => candidate.evidence);
  const name = evidence.find((one) => one.field === 'name' || one.field === 'last_name');
  return textOf(name?.there) || match.candidates[0]?.entity_name || match.key;
}
