import { Link } from '@tanstack/react-router';
import type { Match } from '#/api/types';
import { useWords, wordFor } from '#/lib/words';
import { Time } from '#/ui/time';
import { textOf } from '#/ui/value';
import type { MatchFilters } from './queries';
import './words';

type MatchListProps = {
  matches: readonly Match[];
  selected: string | null;
  /** What the list is narrowed to, kept in the links to its rows. */
  filters: Omit<MatchFilters, 'state' | 'entity'> & {
    state?: Exclude<MatchFilters['state'], 'open'>;
    entity?: 'account' | 'contact';
  };
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
            className="flex flex-col gap-0.5 px-4 py-2.5 no-underline -outline-offset-2 hover:bg-hover aria-[current=true]:bg-accent-soft"
          >
            <span className="flex items-baseline justify-between gap-3">
              <span className="min-w-0 truncate text-sm font-medium text-ink">{nameOf(match)}</span>
              <span className="shrink-0 text-xs text-ink-2">
                <Time at={match.opened_at} as="age" />
              </span>
            </span>
            <span className="truncate text-xs text-ink-2">
              {t('matches.candidates', { count: match.candidates.length })} · {match.connection_name} ·{' '}
              {wordFor(t, `entity.${match.entity}`, match.entity)}
            </span>
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
