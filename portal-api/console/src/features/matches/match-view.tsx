import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { MatchDetail } from '#/api/types';
import { pageOf } from '#/features/records/page-of';
import '#/features/records/words';
import { useMay } from '#/features/session/queries';
import { useKeys } from '#/lib/keys';
import { useWords, wordFor } from '#/lib/words';
import { Button } from '#/ui/button';
import { Field } from '#/ui/field';
import { LINK } from '#/ui/link';
import { ErrorState } from '#/ui/states';
import { Time } from '#/ui/time';
import { toast } from '#/ui/toast';
import { textOf } from '#/ui/value';
import { Candidates, isChoosable } from './candidates';
import { answer, type Whose } from './queries';
import './words';

/** Fields that a record is called by. */
const NAMES: ReadonlySet<string> = new Set(['name', 'first_name', 'last_name']);

type MatchViewProps = { match: MatchDetail; onNext: () => void };

/** A record and what it may be; a person says whose it is, or that it is one of its own. */
export function MatchView({ match, onNext }: MatchViewProps) {
  const t = useWords();
  const client = useQueryClient();
  const [whose, setWhose] = useState<Whose | null>(null);
  const [note, setNote] = useState('');
  const mayAnswer = useMay()('conflicts.resolve') && match.state === 'open';
  const kind = wordFor(t, `entity.${match.entity}`, match.entity).toLowerCase();
  const said = match.fields.filter((field) => NAMES.has(field.name));
  const name =
    said
      .map((field) => textOf(field.there))
      .filter(Boolean)
      .join(' ') || match.key;
  const give = useMutation({
    mutationFn: (whose: Whose) => answer(match, whose, note.trim() || undefined),
    onSuccess: async () => {
      toast({ text: t('matches.answered', { name }) });
      onNext();
      await Promise.all(
        ['matches', 'accounts', 'contacts', 'overview'].map((key) =>
          client.invalidateQueries({ queryKey: [key] }),
        ),
      );
    },
    // Somebody was faster, or the record was read anew: what is known now must be seen.
    onError: () => client.invalidateQueries({ queryKey: ['matches'] }),
  });
  function choose(next: Whose) {
    if (mayAnswer) setWhose(next);
  }
  const byNumber = match.candidates.slice(0, 9).map((candidate, at) => [
    String(at + 1),
    () => {
      if (isChoosable(candidate)) choose(candidate.entity_id);
    },
  ]);
  useKeys({ ...Object.fromEntries(byNumber), 0: () => choose('different'), n: onNext });
  const chosen = match.candidates.find((candidate) => candidate.entity_id === whose);
  const problem = give.error ? toProblem(give.error) : null;
  return (
    <Form
      className="flex flex-col gap-4 p-4"
      onSubmit={(event) => {
        event.preventDefault();
        if (whose) give.mutate(whose);
      }}
    >
      <div>
        <h2 className="text-lg font-semibold tracking-[-0.01em] text-ink">{name}</h2>
        <p className="text-sm text-ink-2">
          {match.sentence} {t('matches.waits', { kind })} <Time at={match.opened_at} as="full" />
          {' · '}
          <Link to="/runs/$id" params={{ id: match.run_id }} className={LINK}>
            {t('grid.run')}
          </Link>
        </p>
        <p className="text-xs text-ink-2">
          {match.connection_name} · {match.stream} · <code>{match.key}</code>
        </p>
      </div>
      <Candidates
        match={match}
        kind={kind}
        whose={match.state === 'open' ? whose : answered(match)}
        onChoose={choose}
        isLocked={!mayAnswer}
      />
      {mayAnswer ? (
        <>
          <Field
            label={t('matches.note')}
            help={t('matches.note_help')}
            value={note}
            onChange={setNote}
            lines={2}
          />
          {problem && <ErrorState compact error={problem} />}
          <div className="flex flex-wrap items-center gap-2">
            <Button type="submit" look="primary" isDisabled={!whose} isPending={give.isPending}>
              {chosen
                ? t('matches.link', { name: chosen.entity_name })
                : t(whose ? 'matches.make' : 'matches.choose_first', { kind })}
            </Button>
            <Button look="quiet" onPress={onNext}>
              {t('matches.skip')}
            </Button>
          </div>
        </>
      ) : (
        match.state !== 'open' && <Ended match={match} word={ENDED[match.state]} kind={kind} />
      )}
    </Form>
  );
}

/** What was answered. */
function answered({ state, answer }: MatchDetail): Whose | null {
  if (state === 'different') return 'different';
  return state === 'same' ? (answer?.entity_id ?? null) : null;
}

const ENDED = {
  same: 'matches.was_same',
  different: 'matches.was_different',
  gone: 'matches.was_gone',
} as const;

type EndedProps = { match: MatchDetail; word: (typeof ENDED)[keyof typeof ENDED]; kind: string };

function Ended({ match, word, kind }: EndedProps) {
  const t = useWords();
  const { answer } = match;
  return (
    <p className="rounded-control bg-ok-soft px-3 py-2 text-sm text-ok-ink">
      {t(word, { kind, name: match.connection_name })}{' '}
      {answer?.entity_id && (
        <Link to={pageOf(match.entity)} params={{ id: answer.entity_id }} className={LINK}>
          {answer.entity_name || t('matches.not_here')}
        </Link>
      )}
      {answer && (
        <>
          {' · '}
          {answer.by ?? t('matches.by_itself')} · <Time at={answer.at} as="full" />
          {answer.note && ` · ${answer.note}`}
        </>
      )}
    </p>
  );
}
