import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useRef, useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { Conflict } from '#/api/types';
import { pageOf } from '#/features/records/page-of';
import '#/features/records/words';
import { useMay } from '#/features/session/queries';
import { useKeys } from '#/lib/keys';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Field } from '#/ui/field';
import { LINK } from '#/ui/link';
import { ErrorState } from '#/ui/states';
import { Time } from '#/ui/time';
import { toast } from '#/ui/toast';
import { writable } from './own-values';
import { type Answer, type Choice, conflictQuery, resolve } from './queries';
import { Sides } from './sides';
import './words';

type ConflictViewProps = { conflict: Conflict; onNext: () => void };

const ASKED = {
  delete: 'conflicts.what_delete',
  overwritten: 'conflicts.what_overwritten',
} as const;

/** How one ended that nobody had to answer. */
const ENDED = {
  agreed: 'conflicts.ended_agreed',
  joined: 'conflicts.ended_joined',
  overwritten: 'conflicts.ended_overwritten',
} as const;

const isIn = <T extends object>(words: T, word: PropertyKey): word is keyof T => word in words;
const asked = (kind: string) => (isIn(ASKED, kind) ? ASKED[kind] : 'conflicts.what');
const ended = (choice: string) => (isIn(ENDED, choice) ? ENDED[choice] : 'conflicts.was');

/** Both sides and what they last agreed on; a person says which one stands. */
export function ConflictView({ conflict, onNext }: ConflictViewProps) {
  const t = useWords();
  const client = useQueryClient();
  const form = useRef<HTMLFormElement>(null);
  const [choice, setChoice] = useState<Choice | null>(null);
  const [own, setOwn] = useState<Record<string, string>>(() =>
    Object.fromEntries(conflict.fields.map((field) => [field.name, writable(field.core)])),
  );
  const [note, setNote] = useState('');
  const open = conflict.state === 'open';
  const mayAnswer = useMay()('conflicts.resolve') && open;
  const answer = useMutation({
    mutationFn: (body: Answer) => resolve(conflict, body),
    onSuccess: async (resolved) => {
      toast({ text: t('conflicts.resolved', { name: resolved.entity_name }) });
      client.setQueryData(conflictQuery(conflict.id).queryKey, resolved);
      onNext();
      await Promise.all(
        ['conflicts', 'accounts', 'contacts', 'overview'].map((key) =>
          client.invalidateQueries({ queryKey: [key] }),
        ),
      );
    },
    // Somebody was faster: what they decided is what must be seen now.
    onError: () => client.invalidateQueries({ queryKey: ['conflicts'] }),
  });
  const canBase = conflict.kind === 'edit';
  function choose(next: Choice) {
    if (!mayAnswer || (next === 'base' && !canBase)) return;
    setChoice(next);
    if (next === 'value')
      requestAnimationFrame(() => form.current?.querySelector<HTMLElement>('[data-own] input')?.focus());
  }
  useKeys({
    1: () => choose('core'),
    2: () => choose('remote'),
    3: () => choose('base'),
    e: () => choose('value'),
    n: onNext,
  });
  const problem = answer.error ? toProblem(answer.error) : null;
  return (
    <Form
      ref={form}
      className="flex flex-col gap-4 p-4"
      validationErrors={problem?.byField('values.')}
      onSubmit={(event) => {
        event.preventDefault();
        if (!choice) return;
        answer.mutate({
          choice,
          note: note.trim() || undefined,
          values:
            choice === 'value'
              ? Object.fromEntries(
                  Object.entries(own).map(([name, text]) => [name, text === '' ? null : text]),
                )
              : undefined,
        });
      }}
    >
      <div>
        <h2 className="text-lg font-semibold tracking-[-0.01em] text-ink">
          <Link to={pageOf(conflict.entity)} params={{ id: conflict.entity_id }} className={LINK}>
            {conflict.entity_name}
          </Link>
        </h2>
        <p className="text-sm text-ink-2">
          {t(asked(conflict.kind), { name: conflict.connection_name })}{' '}
          <Time at={conflict.opened_at} as="full" />
          {conflict.run_id && (
            <>
              {' · '}
              <Link to="/runs/$id" params={{ id: conflict.run_id }} className={LINK}>
                {t('grid.run')}
              </Link>
            </>
          )}
        </p>
        {conflict.fields.length > 1 && (
          <p className="text-sm text-ink-2">{t('conflicts.together', { count: conflict.fields.length })}</p>
        )}
      </div>
      <Sides
        conflict={conflict}
        choice={choice}
        onChoose={choose}
        isLocked={!mayAnswer}
        own={own}
        onOwn={(name, text) => setOwn((old) => ({ ...old, [name]: text }))}
      />
      {mayAnswer ? (
        <>
          <Field
            label={t('conflicts.note')}
            help={t('conflicts.note_help')}
            value={note}
            onChange={setNote}
            lines={2}
          />
          {problem && <ErrorState compact error={problem} />}
          <div className="flex flex-wrap items-center gap-2">
            <Button type="submit" look="primary" isDisabled={!choice} isPending={answer.isPending}>
              {choice
                ? t(`conflicts.take_${choice}`, { name: conflict.connection_name })
                : t('conflicts.choose_first')}
            </Button>
            <Button look="quiet" onPress={onNext}>
              {t('conflicts.skip')}
            </Button>
          </div>
        </>
      ) : (
        conflict.resolution && (
          <p className="rounded-control bg-ok-soft px-3 py-2 text-sm text-ok-ink">
            {t(ended(conflict.resolution.choice), { by: conflict.resolution.by })}{' '}
            <Time at={conflict.resolution.at} as="full" />
            {conflict.resolution.note && ` · ${conflict.resolution.note}`}
          </p>
        )
      )}
    </Form>
  );
}
