import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { Erasure, NewErasure } from '#/api/types';
import { useStepUp } from '#/features/factors/step-up';
import { oneOf } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Field } from '#/ui/field';
import { Select } from '#/ui/select';
import { ErrorState } from '#/ui/states';
import './words';
import { askErasure } from './queries';

const KINDS = ['erase', 'anonymise'] as const;
/** Longest a request can be held, in hours. */
const LONGEST = 720;

type Props = {
  contact?: string;
  /** Somebody who signs in and is no contact. */
  user?: string;
  onAsked: (erasure: Erasure) => void;
  /** Beside the button. */
  children?: React.ReactNode;
};

/** Asks for somebody to be forgotten: nothing happens before somebody else approves it. */
export function AskForm({ contact = '', user, onAsked, children }: Props) {
  const t = useWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [kind, setKind] = useState<(typeof KINDS)[number]>('erase');
  const [reason, setReason] = useState('');
  const [hold, setHold] = useState('24');
  const ask = useMutation({
    mutationFn: guard<NewErasure, Erasure>(askErasure),
    onSuccess: async (erasure) => {
      await client.invalidateQueries({ queryKey: ['erasures', 'list'] });
      onAsked(erasure);
    },
  });
  const problem = ask.error ? toProblem(ask.error) : null;
  const fault =
    hold === ''
      ? t('form.required')
      : Number(hold) > LONGEST
        ? t('form.between', { least: 0, most: LONGEST })
        : null;
  return (
    <>
      <Form
        className="flex flex-col gap-4"
        validationErrors={problem?.byField()}
        onSubmit={(event) => {
          event.preventDefault();
          if (fault) return;
          const whom = user ? { user_id: user } : { contact_id: contact };
          ask.mutate({ kind, ...whom, reason, hold_hours: Number(hold) });
        }}
      >
        <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
          {!user && (
            <Select
              label={t('erasures.kind')}
              name="kind"
              help={t(`erasure_kind_help.${kind}`)}
              value={kind}
              onChange={(value) => setKind(oneOf(value, KINDS) ?? kind)}
              choices={KINDS.map((one) => ({ value: one, label: t(`erasure_kind.${one}`) }))}
            />
          )}
          <Field
            label={t('erasures.hold')}
            help={t('erasures.hold_help')}
            name="hold_hours"
            inputMode="numeric"
            value={hold}
            onChange={(text) => setHold(text.replace(/\D/g, '').slice(0, 4))}
            // Said while it is typed: said on leaving the field, it would move the button from under the pointer.
            validationBehavior="aria"
            validate={() => fault}
            isRequired
          />
        </div>
        <Field
          label={t('privacy.reason')}
          help={t('erasures.reason_help')}
          name="reason"
          lines={3}
          maxLength={500}
          value={reason}
          onChange={setReason}
          validate={(text) => (text.trim() === '' ? t('form.required') : null)}
          isRequired
        />
        {problem && problem.errors.length === 0 && <ErrorState compact error={problem} />}
        <div className="flex flex-wrap gap-2">
          <Button type="submit" look="danger" isPending={ask.isPending} isDisabled={contact === '' && !user}>
            {t('erasures.ask')}
          </Button>
          {children}
        </div>
      </Form>
      {dialog}
    </>
  );
}
