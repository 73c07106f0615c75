import { useMutation, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link, useLocation, useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import { Gate } from '#/app/gate';
import { redeemLink, sessionQuery } from '#/features/session/queries';
import { useWords } from '#/lib/words';
import { Button, buttonLook } from '#/ui/button';
import { Field } from '#/ui/field';
import { LINK } from '#/ui/link';
import { ErrorState } from '#/ui/states';

/** Where the links of invitations and of forgotten passwords lead: `/set-password#` and the token. */
export const Route = createFileRoute('/set-password')({ component: SetPassword });

/** What most tenants ask for; the server has the last word. */
const USUAL = 10;

function SetPassword() {
  const token = useToken();
  // Another link in the same tab begins anew.
  return token === '' ? <NoToken /> : <WithToken key={token} token={token} />;
}

/** The token of the link, which leaves the address bar and the browser's history as soon as it is read. */
function useToken(): string {
  const hash = useLocation({ select: (location) => location.hash });
  const navigate = useNavigate();
  const [kept, setKept] = useState('');
  useEffect(() => {
    if (hash === '') return;
    setKept(hash);
    void navigate({ to: '/set-password', replace: true });
  }, [hash, navigate]);
  return hash || kept;
}

// Each state is a page of its own to the eye and to a screen reader: its title takes the focus.

function WithToken({ token }: { token: string }) {
  const client = useQueryClient();
  const redeem = useMutation({
    mutationFn: (password: string) => redeemLink({ token, password }),
    // All sessions of the user have ended: who is signed in is asked anew.
    onSuccess: () => client.removeQueries({ queryKey: sessionQuery.queryKey }),
  });
  const refusal = redeem.error && toProblem(redeem.error).byField().token;
  if (redeem.isSuccess) return <Done />;
  if (refusal) return <Gone reason={refusal} />;
  return <Choose error={redeem.error} isPending={redeem.isPending} onSubmit={redeem.mutate} />;
}

type ChooseProps = { error: Error | null; isPending: boolean; onSubmit: (password: string) => void };

function Choose({ error, isPending, onSubmit }: ChooseProps) {
  const t = useWords();
  const [password, setPassword] = useState('');
  const [again, setAgain] = useState('');
  const problem = error && toProblem(error);
  return (
    <Gate title={t('set_password.title')} text={t('set_password.text')}>
      <Form
        className="flex flex-col gap-4"
        validationErrors={problem?.byField()}
        onSubmit={(event) => {
          event.preventDefault();
          onSubmit(password);
        }}
      >
        <Field
          label={t('password.new')}
          help={t('set_password.rule', { usual: USUAL })}
          type="password"
          name="password"
          autoComplete="new-password"
          value={password}
          onChange={setPassword}
          isRequired
        />
        {/* Room for a line of error, which goes when the field is left: the button stays under the pointer. */}
        <div className="pb-5 has-[[aria-invalid=true]]:pb-0">
          <Field
            label={t('password.again')}
            type="password"
            name="again"
            autoComplete="new-password"
            value={again}
            onChange={setAgain}
            validate={(value) => (value === password ? null : t('password.differs'))}
            isRequired
          />
        </div>
        {problem && problem.errors.length === 0 && <ErrorState compact error={problem} />}
        <Button type="submit" look="primary" size="large" isPending={isPending}>
          {t('set_password.submit')}
        </Button>
      </Form>
    </Gate>
  );
}

function Done() {
  const t = useWords();
  return (
    <Gate title={t('set_password.done')} text={t('set_password.done_text')}>
      <Link to="/sign-in" className={buttonLook('primary', 'large')}>
        {t('sign_in.submit')}
      </Link>
    </Gate>
  );
}

function Gone({ reason }: { reason: string }) {
  const t = useWords();
  return (
    <Gate title={t('set_password.gone')}>
      <p role="alert" className="text-sm break-words text-bad-ink first-letter:uppercase">
        {reason}
      </p>
      <AskAnew />
    </Gate>
  );
}

function NoToken() {
  const t = useWords();
  return (
    <Gate title={t('set_password.missing')} text={t('set_password.missing_text')}>
      <AskAnew />
    </Gate>
  );
}

function AskAnew() {
  const t = useWords();
  return (
    <>
      <p className="text-sm text-ink-2">{t('set_password.ask_text')}</p>
      <Link to="/forgot-password" className={buttonLook('primary', 'large')}>
        {t('set_password.ask')}
      </Link>
      <Link to="/sign-in" className={`inline-flex items-center self-start text-sm touch ${LINK}`}>
        {t('forgot_password.back')}
      </Link>
    </>
  );
}
