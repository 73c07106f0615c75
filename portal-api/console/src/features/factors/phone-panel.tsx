import { useMutation } from '@tanstack/react-query';
import { MessageSquare, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Confirm } from '#/ui/confirm';
import { Dialog } from '#/ui/dialog';
import { Facts } from '#/ui/facts';
import { Field } from '#/ui/field';
import { Panel } from '#/ui/panel';
import { ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';
import { type PanelProps, useRefresh } from './panel';
import { confirmSms, removeSms, startSms } from './queries';
import './words';

/** Codes that are sent to a phone. */
export function PhonePanel({ owned, guard, onCodes }: PanelProps) {
  const t = useWords();
  const refresh = useRefresh();
  const [isOpen, setOpen] = useState(false);
  const [isAsking, setAsking] = useState(false);
  const remove = useMutation({
    mutationFn: guard<void, void>(() => removeSms()),
    onSuccess: async () => {
      setAsking(false);
      toast({ text: t('security.phone_removed') });
      await refresh();
    },
  });
  return (
    <Panel
      title={t('security.phone')}
      actions={
        owned.sms_ends_with ? (
          <Button icon={Trash2} onPress={() => setAsking(true)}>
            {t('security.app_remove')}
          </Button>
        ) : (
          <Button icon={MessageSquare} onPress={() => setOpen(true)}>
            {t('security.phone_add')}
          </Button>
        )
      }
    >
      {owned.sms_ends_with ? (
        <Facts facts={[{ label: t('security.phone_ends'), value: owned.sms_ends_with }]} />
      ) : (
        <p className="max-w-prose text-sm text-ink-2">{t('security.phone_none')}</p>
      )}
      <Confirm
        title={t('security.phone_remove_title')}
        text={t('security.phone_remove_text')}
        action={t('security.app_remove')}
        isOpen={isAsking}
        isPending={remove.isPending}
        error={remove.error}
        onConfirm={() => remove.mutate()}
        onClose={() => setAsking(false)}
      />
      <Dialog title={t('security.phone')} isOpen={isOpen} onClose={() => setOpen(false)}>
        <SetUp
          guard={guard}
          onDone={async (codes) => {
            setOpen(false);
            toast({ text: t('security.phone_added') });
            onCodes(codes);
            await refresh();
          }}
        />
      </Dialog>
    </Panel>
  );
}

type SetUpProps = { guard: PanelProps['guard']; onDone: (codes: string[]) => Promise<void> };

function SetUp({ guard, onDone }: SetUpProps) {
  const t = useWords();
  const [number, setNumber] = useState('');
  const [code, setCode] = useState('');
  const start = useMutation({ mutationFn: guard(startSms) });
  const confirm = useMutation({ mutationFn: guard(confirmSms), onSuccess: onDone });
  const error = start.isSuccess ? confirm.error : start.error;
  const problem = error ? toProblem(error) : null;
  return (
    <Form
      className="flex flex-col gap-4"
      validationErrors={problem?.byField()}
      onSubmit={(event) => {
        event.preventDefault();
        if (start.isSuccess) confirm.mutate(code);
        else start.mutate(number);
      }}
    >
      <Field
        label={t('security.phone_number')}
        name="number"
        type="tel"
        autoComplete="tel"
        placeholder="+49 170 1234567"
        value={number}
        onChange={setNumber}
        isDisabled={start.isSuccess}
        isRequired
      />
      {start.isSuccess && (
        <Field
          label={t('security.phone_code')}
          name="code"
          inputMode="numeric"
          autoComplete="one-time-code"
          mono
          autoFocus
          value={code}
          onChange={setCode}
          isRequired
        />
      )}
      {problem && problem.errors.length === 0 && <ErrorState compact error={problem} />}
      <Button
        type="submit"
        look="primary"
        className="self-start"
        isPending={start.isPending || confirm.isPending}
      >
        {t(start.isSuccess ? 'security.app_confirm' : 'security.phone_send')}
      </Button>
    </Form>
  );
}
