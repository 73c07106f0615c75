import { useMutation, useQuery } from '@tanstack/react-query';
import { KeyRound } from 'lucide-react';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import { canUsePasskeys, isCancelled } from '#/lib/passkeys';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Dialog } from '#/ui/dialog';
import { Field } from '#/ui/field';
import { ErrorState } from '#/ui/states';
import { ByProvider } from './by-provider';
import { factorsQuery, type Proof, sendStepUpCode, stepUp, stepUpPasskey } from './queries';

/**
 * Does something sensitive; where the server asks who one is, the dialog does, and it is done again.
 * Closing the dialog leaves it undone.
 */
export function useStepUp() {
  const [waiting, setWaiting] = useState<(() => void) | null>(null);
  function guard<A, T>(act: (argument: A) => Promise<T>): (argument: A) => Promise<T> {
    return async (argument) => {
      try {
        return await act(argument);
      } catch (error) {
        if (toProblem(error).slug !== 'step-up-required') throw error;
        await new Promise<void>((resolve, reject) => {
          setWaiting(() => resolve);
          cancel.current = () => reject(error);
        });
        return act(argument);
      }
    };
  }
  const [cancel] = useState<{ current: () => void }>({ current: () => {} });
  const dialog = (
    <StepUpDialog
      isOpen={waiting !== null}
      onDone={() => {
        waiting?.();
        setWaiting(null);
      }}
      onClose={() => {
        cancel.current();
        setWaiting(null);
      }}
    />
  );
  return { guard, dialog };
}

type DialogProps = { isOpen: boolean; onDone: () => void; onClose: () => void };

function StepUpDialog({ isOpen, onDone, onClose }: DialogProps) {
  const t = useWords();
  return (
    <Dialog title={t('step_up.title')} isOpen={isOpen} onClose={onClose}>
      <StepUp onDone={onDone} />
    </Dialog>
  );
}

type Way = Proof['method'] | 'passkey';

function StepUp({ onDone }: { onDone: () => void }) {
  const t = useWords();
  const factors = useQuery(factorsQuery).data;
  const methods = (factors?.methods ?? []) as Way[];
  const provider = factors?.step_up_provider;
  const ways: Way[] = methods.length > 0 ? methods : ['password'];
  const usable = ways.filter((way) => way !== 'passkey' || canUsePasskeys());
  const [chosen, setChosen] = useState<Way | null>(null);
  const way = chosen ?? usable[0] ?? 'password';
  if (provider && methods.length === 0 && chosen === null) {
    return (
      <div className="flex flex-col gap-4">
        <p className="text-sm text-ink-2">{t('step_up.text')}</p>
        <ByProvider provider={provider} onPassword={() => setChosen('password')} />
      </div>
    );
  }
  return (
    <div className="flex flex-col gap-4">
      <p className="text-sm text-ink-2">
        {t('step_up.text')} {way !== 'password' && t(`second.${way}_text`)}
      </p>
      {way === 'passkey' ? <ByPasskey onDone={onDone} /> : <BySecret key={way} way={way} onDone={onDone} />}
      <div className="flex flex-wrap gap-2">
        {usable
          .filter((other) => other !== way && other !== 'password')
          .map((other) => (
            <Button key={other} look="quiet" onPress={() => setChosen(other)}>
              {t(`second.way_${other as Exclude<Way, 'password'>}`)}
            </Button>
          ))}
      </div>
      {provider && methods.length > 0 && <ByProvider provider={provider} />}
    </div>
  );
}

function ByPasskey({ onDone }: { onDone: () => void }) {
  const t = useWords();
  const proof = useMutation({ mutationFn: stepUpPasskey, onSuccess: onDone });
  const problem = proof.error && !isCancelled(proof.error) ? toProblem(proof.error) : null;
  return (
    <div className="flex flex-col items-start gap-4">
      {problem && <ErrorState compact error={problem} />}
      <Button look="primary" onPress={() => proof.mutate()} isPending={proof.isPending}>
        <KeyRound aria-hidden size={16} /> {t('second.use_passkey')}
      </Button>
    </div>
  );
}

function BySecret({ way, onDone }: { way: Proof['method']; onDone: () => void }) {
  const t = useWords();
  const [secret, setSecret] = useState('');
  const proof = useMutation({ mutationFn: stepUp, onSuccess: onDone });
  const sending = useMutation({ mutationFn: sendStepUpCode });
  const problem = proof.error ? toProblem(proof.error) : null;
  const label =
    way === 'password' ? 'step_up.password' : way === 'backup_code' ? 'second.backup_code' : 'second.code';
  return (
    <Form
      className="flex flex-col gap-4"
      validationErrors={problem?.byField()}
      onSubmit={(event) => {
        event.preventDefault();
        proof.mutate({ method: way, secret });
      }}
    >
      {way === 'sms' && (
        <div className="flex flex-wrap items-center gap-3">
          <Button onPress={() => sending.mutate()} isPending={sending.isPending}>
            {t('second.send')}
          </Button>
          <span role="status" className="text-sm text-ink-2">
            {sending.isSuccess && t('second.sent')}
          </span>
        </div>
      )}
      <Field
        label={t(label)}
        name="secret"
        type={way === 'password' ? 'password' : 'text'}
        autoComplete={way === 'password' ? 'current-password' : 'one-time-code'}
        mono={way !== 'password'}
        autoFocus
        value={secret}
        onChange={setSecret}
        isRequired
      />
      {problem && problem.errors.length === 0 && <ErrorState compact error={problem} />}
      <Button type="submit" look="primary" className="self-start" isPending={proof.isPending}>
        {t('step_up.submit')}
      </Button>
    </Form>
  );
}
