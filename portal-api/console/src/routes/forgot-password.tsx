import { useMutation } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import { Gate } from '#/app/gate';
import { requestReset } from '#/features/session/queries';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Field } from '#/ui/field';
import { LINK } from '#/ui/link';
import { ErrorState } from '#/ui/states';

export const Route = createFileRoute('/forgot-password')({ component: ForgotPassword });

function ForgotPassword() {
  const ask = useMutation({ mutationFn: requestReset });
  if (ask.isSuccess) return <Asked />;
  return <Ask error={ask.error} isPending={ask.isPending} onSubmit={ask.mutate} />;
}

type AskProps = { error: Error | null; isPending: boolean; onSubmit: (wish: { email: string }) => void };

function Ask({ error, isPending, onSubmit }: AskProps) {
  const t = useWords();
  const [email, setEmail] = useState('');
  const problem = error && toProblem(error);
  return (
    <Gate title={t('forgot_password.title')} text={t('forgot_password.text')}>
      <Form
        className="flex flex-col gap-4"
        validationErrors={problem?.byField()}
        onSubmit={(event) => {
          event.preventDefault();
          onSubmit({ email });
        }}
      >
        {/* Room for a line of error, which goes when the field is left: the button stays under the pointer. */}
        <div className="pb-5 has-[[aria-invalid=true]]:pb-0">
          <Field
            label={t('sign_in.email')}
            type="email"
            name="email"
            autoComplete="username"
            value={email}
            onChange={setEmail}
            isRequired
          />
        </div>
        {problem && problem.errors.length === 0 && <ErrorState compact error={problem} />}
        <Button type="submit" look="primary" size="large" isPending={isPending}>
          {t('forgot_password.submit')}
        </Button>
      </Form>
      <Back />
    </Gate>
  );
}

/** The same for every address: it does not say whether somebody signs in with it. */
function Asked() {
  const t = useWords();
  return (
    <Gate title={t('forgot_password.sent')} text={t('forgot_password.sent_text')}>
      <p className="text-sm text-ink-2">{t('forgot_password.nothing_came')}</p>
      <Back />
    </Gate>
  );
}

function Back() {
  const t = useWords();
  return (
    <Link to="/sign-in" className={`inline-flex items-center self-start text-sm touch ${LINK}`}>
      {t('forgot_password.back')}
    </Link>
  );
}
