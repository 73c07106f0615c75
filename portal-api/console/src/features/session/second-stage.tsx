import { useMutation } from '@tanstack/react-query';
import { KeyRound } from 'lucide-react';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { SecondStage, Session } from '#/api/types';
import { canUsePasskeys, isCancelled } from '#/lib/passkeys';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { CheckBox } from '#/ui/check-box';
import { Field } from '#/ui/field';
import { ErrorState } from '#/ui/states';
import { type CodeMethod, sendSecondCode, signInSecond, signInSecondPasskey } from './queries';

type Method = CodeMethod | 'passkey';

type Props = { stage: SecondStage; onDone: (session: Session) => void; onOver: () => void };

/** The second stage of signing in: one way at a time, the others behind buttons. */
export function SecondStageForm({ stage, onDone, onOver }: Props) {
  const t = useWords();
  const ways = (stage.methods as Method[]).filter((way) => way !== 'passkey' || canUsePasskeys());
  const [method, setMethod] = useState<Method | undefined>(ways[0]);
  const [remember, setRemember] = useState(false);
  if (!method) return <p className="text-sm text-ink">{t('second.none')}</p>;
  const others = ways.filter((way) => way !== method);
  const given = { remember, onDone, onOver };
  const box = stage.device_days > 0 && (
    <CheckBox
      label={t('second.remember', { days: stage.device_days })}
      value={remember}
      onChange={setRemember}
    />
  );
  return (
    <div className="flex flex-col gap-4">
      <p className="text-sm text-ink-2">{t(`second.${method}_text`)}</p>
      {method === 'passkey' ? (
        <WithPasskey {...given}>{box}</WithPasskey>
      ) : (
        <WithCode key={method} method={method} {...given}>
          {box}
        </WithCode>
      )}
      {others.length > 0 && (
        <div className="flex flex-col items-start gap-1 border-t border-line pt-3">
          <p className="text-xs text-ink-3">{t('second.other')}</p>
          {others.map((way) => (
            <Button key={way} look="quiet" className="-ml-3" onPress={() => setMethod(way)}>
              {t(`second.way_${way}`)}
            </Button>
          ))}
        </div>
      )}
    </div>
  );
}

type WayProps = {
  remember: boolean;
  onDone: (session: Session) => void;
  onOver: () => void;
  /** What stands above the button. */
  children: React.ReactNode;
};

function WithCode({ method, remember, onDone, onOver, children }: WayProps & { method: CodeMethod }) {
  const t = useWords();
  const [code, setCode] = useState('');
  const entry = useMutation({ mutationFn: signInSecond, onSuccess: onDone });
  const sending = useMutation({ mutationFn: sendSecondCode });
  const isBackup = method === 'backup_code';
  return (
    <Form
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        entry.mutate({ method, code, remember });
      }}
    >
      {method === 'sms' && (
        <div className="flex flex-wrap items-center gap-3">
          <Button onPress={() => sending.mutate()} isPending={sending.isPending}>
            {t('second.send')}
          </Button>
          <span role="status" className="text-sm text-ink-2">
            {sending.isSuccess && t('second.sent')}
          </span>
          {sending.error && <ErrorState compact error={toProblem(sending.error)} />}
        </div>
      )}
      <Field
        label={t(isBackup ? 'second.backup_code' : 'second.code')}
        name="code"
        autoComplete="one-time-code"
        inputMode={isBackup ? 'text' : 'numeric'}
        spellCheck="false"
        mono
        autoFocus
        value={code}
        onChange={setCode}
        isRequired
      />
      {children}
      <Refusal error={entry.error} onOver={onOver} />
      <Button type="submit" look="primary" size="large" isPending={entry.isPending}>
        {t('second.submit')}
      </Button>
    </Form>
  );
}

function WithPasskey({ remember, onDone, onOver, children }: WayProps) {
  const t = useWords();
  const entry = useMutation({ mutationFn: signInSecondPasskey, onSuccess: onDone });
  return (
    <div className="flex flex-col gap-4">
      {children}
      <Refusal error={isCancelled(entry.error) ? null : entry.error} onOver={onOver} />
      <Button look="primary" size="large" onPress={() => entry.mutate(remember)} isPending={entry.isPending}>
        <KeyRound aria-hidden size={16} /> {t('second.use_passkey')}
      </Button>
    </div>
  );
}

/** A wrong code and a stage that is over are told apart: only one of them can be tried again. */
function Refusal({ error, onOver }: { error: Error | null; onOver: () => void }) {
  const t = useWords();
  if (!error) return null;
  const problem = toProblem(error);
  if (problem.slug !== 'unauthenticated') return <ErrorState compact error={problem} />;
  const isOver = problem.message === 'sign in first';
  return (
    <div role="alert" className="flex flex-col items-start gap-2 text-sm text-bad-ink">
      {t(isOver ? 'second.over' : 'second.refused')}
      {isOver && <Button onPress={onOver}>{t('second.back')}</Button>}
    </div>
  );
}
