import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Ban, Check } from 'lucide-react';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { Erasure } from '#/api/types';
import { useStepUp } from '#/features/factors/step-up';
import { sessionQuery, useMay } from '#/features/session/queries';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Dialog } from '#/ui/dialog';
import { Field } from '#/ui/field';
import { ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';
import './words';
import { approveErasure, type Decision, erasureQuery, stopErasure } from './queries';

/** What can be decided about a request, and why the rest cannot. */
export function Decisions({ erasure }: { erasure: Erasure }) {
  const t = useWords();
  const may = useMay();
  const isOwn = useQuery(sessionQuery).data?.user.id === erasure.asked_by;
  const [deciding, setDeciding] = useState<Verb | null>(null);
  const isOpen = erasure.state === 'asked';
  if (!isOpen && erasure.state !== 'approved' && erasure.state !== 'failed') return null;
  const stop = isOpen && !isOwn ? 'refuse' : 'withdraw';
  return (
    <>
      {isOpen && !isOwn && may('privacy.approve') && (
        <Button look="danger" icon={Check} onPress={() => setDeciding('approve')}>
          {t('erasures.approve')}
        </Button>
      )}
      <Button icon={Ban} onPress={() => setDeciding(stop)}>
        {t(`erasures.${stop}`)}
      </Button>
      <DecisionDialog key={deciding} erasure={erasure} verb={deciding} onClose={() => setDeciding(null)} />
    </>
  );
}

type Verb = 'approve' | 'refuse' | 'withdraw';

type DialogProps = { erasure: Erasure; verb: Verb | null; onClose: () => void };

function DecisionDialog({ erasure, verb, onClose }: DialogProps) {
  const t = useWords();
  return (
    <Dialog title={verb ? t(`erasures.${verb}_title`) : ''} isOpen={verb !== null} onClose={onClose}>
      {verb && <DecisionForm erasure={erasure} verb={verb} onClose={onClose} />}
    </Dialog>
  );
}

function DecisionForm({ erasure, verb, onClose }: DialogProps & { verb: Verb }) {
  const t = useWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [note, setNote] = useState('');
  const decide = useMutation({
    mutationFn: guard<Decision, Erasure>(verb === 'approve' ? approveErasure : stopErasure),
    onSuccess: async (saved) => {
      toast({ text: t(`erasures.${verb}_done`) });
      client.setQueryData(erasureQuery(erasure.id).queryKey, saved);
      onClose();
      await client.invalidateQueries({ queryKey: ['erasures', 'list'] });
    },
  });
  const problem = decide.error ? toProblem(decide.error) : null;
  return (
    <>
      <Form
        className="flex flex-col gap-4"
        validationErrors={problem?.byField()}
        onSubmit={(event) => {
          event.preventDefault();
          decide.mutate({ id: erasure.id, note: note.trim() === '' ? undefined : note });
        }}
      >
        <p className="max-w-prose text-sm text-ink-2">
          {t(`erasures.${verb}_text`, { hours: erasure.hold_hours })}
        </p>
        <Field
          label={t('erasures.note')}
          help={t('erasures.note_help')}
          name="note"
          lines={2}
          maxLength={500}
          value={note}
          onChange={setNote}
        />
        {problem && problem.errors.length === 0 && <ErrorState compact error={problem} />}
        <div className="flex flex-wrap justify-end gap-2">
          <Button autoFocus onPress={onClose}>
            {t('ui.cancel')}
          </Button>
          <Button type="submit" look={verb === 'approve' ? 'danger' : 'primary'} isPending={decide.isPending}>
            {t(`erasures.${verb}`)}
          </Button>
        </div>
      </Form>
      {dialog}
    </>
  );
}
