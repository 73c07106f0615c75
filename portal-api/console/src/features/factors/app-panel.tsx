import { useMutation } from '@tanstack/react-query';
import { Smartphone, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { NewTotp } from '#/api/types';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Confirm } from '#/ui/confirm';
import { Dialog } from '#/ui/dialog';
import { Facts } from '#/ui/facts';
import { Field } from '#/ui/field';
import { Panel } from '#/ui/panel';
import { ErrorState } from '#/ui/states';
import { Time } from '#/ui/time';
import { toast } from '#/ui/toast';
import { type PanelProps, useRefresh } from './panel';
import { confirmTotp, removeTotp, startTotp } from './queries';
import './words';

/** Codes of an authenticator app. */
export function AppPanel({ owned, guard, onCodes }: PanelProps) {
  const t = useWords();
  const refresh = useRefresh();
  const [isAsking, setAsking] = useState(false);
  const start = useMutation({ mutationFn: guard<void, NewTotp>(() => startTotp()) });
  const remove = useMutation({
    mutationFn: guard<void, void>(() => removeTotp()),
    onSuccess: async () => {
      setAsking(false);
      toast({ text: t('security.app_removed') });
      await refresh();
    },
  });
  return (
    <Panel
      title={t('security.app')}
      actions={
        owned.totp_since ? (
          <Button icon={Trash2} onPress={() => setAsking(true)}>
            {t('security.app_remove')}
          </Button>
        ) : (
          <Button look="primary" icon={Smartphone} onPress={() => start.mutate()} isPending={start.isPending}>
            {t('security.app_add')}
          </Button>
        )
      }
    >
      {owned.totp_since ? (
        <Facts
          facts={[{ label: t('security.app_since'), value: <Time at={owned.totp_since} as="full" /> }]}
        />
      ) : (
        <p className="max-w-prose text-sm text-ink-2">{t('security.app_none')}</p>
      )}
      {start.error && <ErrorState compact error={toProblem(start.error)} />}
      <Confirm
        title={t('security.app_remove_title')}
        text={t('security.app_remove_text')}
        action={t('security.app_remove')}
        isOpen={isAsking}
        isPending={remove.isPending}
        error={remove.error}
        onConfirm={() => remove.mutate()}
        onClose={() => setAsking(false)}
      />
      <Dialog title={t('security.app')} isOpen={start.data !== undefined} onClose={() => start.reset()}>
        {start.data && (
          <FirstCode
            made={start.data}
            guard={guard}
            onDone={async (codes) => {
              start.reset();
              toast({ text: t('security.app_added') });
              onCodes(codes);
              await refresh();
            }}
          />
        )}
      </Dialog>
    </Panel>
  );
}

type FirstCodeProps = {
  made: NewTotp;
  guard: PanelProps['guard'];
  onDone: (codes: string[]) => Promise<void>;
};

function FirstCode({ made, guard, onDone }: FirstCodeProps) {
  const t = useWords();
  const [code, setCode] = useState('');
  const confirm = useMutation({ mutationFn: guard(confirmTotp), onSuccess: onDone });
  const problem = confirm.error ? toProblem(confirm.error) : null;
  return (
    <Form
      className="flex flex-col gap-4"
      validationErrors={problem?.byField()}
      onSubmit={(event) => {
        event.preventDefault();
        confirm.mutate(code);
      }}
    >
      <p className="text-sm text-ink-2">{t('security.app_scan')}</p>
      <img
        src={made.picture}
        alt={t('security.app_picture')}
        width={200}
        height={200}
        className="self-center rounded-control"
      />
      <Facts
        facts={[
          {
            label: t('security.app_key'),
            value: <code className="font-mono text-sm break-all select-all">{spaced(made.secret)}</code>,
          },
        ]}
      />
      <Field
        label={t('security.app_code')}
        name="code"
        inputMode="numeric"
        autoComplete="one-time-code"
        mono
        value={code}
        onChange={setCode}
        isRequired
      />
      {problem && problem.errors.length === 0 && <ErrorState compact error={problem} />}
      <Button type="submit" look="primary" className="self-start" isPending={confirm.isPending}>
        {t('security.app_confirm')}
      </Button>
    </Form>
  );
}

/** In groups of four, as one types it. */
function spaced(secret: string): string {
  return secret.match(/.{1,4}/g)?.join(' ') ?? secret;
}
