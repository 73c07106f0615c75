import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link, redirect, useNavigate } from '@tanstack/react-router';
import { KeyRound } from 'lucide-react';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { SecondStage, Session } from '#/api/types';
import { Gate } from '#/app/gate';
import { Providers } from '#/features/session/providers';
import {
  isSecondStage,
  secondStageQuery,
  sessionQuery,
  signIn,
  signInPasskey,
} from '#/features/session/queries';
import { SecondStageForm } from '#/features/session/second-stage';
import { canUsePasskeys, isCancelled } from '#/lib/passkeys';
import { textParam } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Field } from '#/ui/field';
import { LINK } from '#/ui/link';
import { ErrorState } from '#/ui/states';

export const Route = createFileRoute('/sign-in')({
  validateSearch: (search): { next?: string; tenant?: string; refused?: string; second?: true } => ({
    next: ownPath(textParam(search.next)),
    tenant: textParam(search.tenant),
    refused: textParam(search.refused),
    second: search.second === true || search.second === 'true' || undefined,
  }),
  beforeLoad: async ({ context }) => {
    const session = await context.queryClient.ensureQueryData(sessionQuery).catch(() => null);
    if (session) throw redirect({ to: '/' });
  },
  component: SignIn,
});

/** Only a path of this console is a place to go on to. */
function ownPath(next: string | undefined): string | undefined {
  return next?.startsWith('/') && !next.startsWith('//') && !next.includes('\\') ? next : undefined;
}

function SignIn() {
  const t = useWords();
  const { next, second, ...search } = Route.useSearch();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [stage, setStage] = useState<SecondStage | null>(null);
  // A provider has sent the browser back: the ticket for the second stage is in its cookie.
  const sentBack = useQuery({ ...secondStageQuery, enabled: second === true });
  async function enter(session: Session) {
    client.setQueryData(sessionQuery.queryKey, session);
    if (session.user.must_change_password) await navigate({ to: '/password', search: { next } });
    else if (session.user.must_enrol) await navigate({ to: '/security' });
    else await navigate({ href: next ?? '/' });
  }
  function beginAgain() {
    setStage(null);
    if (second) void navigate({ to: '/sign-in', search: { next, ...search } });
  }
  const owed = stage ?? (second ? sentBack.data : null);
  if (owed) return <Second stage={owed} onDone={enter} onOver={beginAgain} />;
  if (second && sentBack.isPending) return <Gate key="waiting" title={t('second.title')} />;
  return <First isOver={second === true} onDone={enter} onSecond={setStage} />;
}

type SecondProps = { stage: SecondStage; onDone: (session: Session) => Promise<void>; onOver: () => void };

function Second({ stage, onDone, onOver }: SecondProps) {
  const t = useWords();
  return (
    <Gate key="second" title={t('second.title')}>
      <SecondStageForm stage={stage} onDone={(session) => void onDone(session)} onOver={onOver} />
      <Button look="quiet" className="-ml-3 self-start" onPress={onOver}>
        {t('second.back')}
      </Button>
    </Gate>
  );
}

type FirstProps = {
  /** The second stage of a sign-in took too long. */
  isOver: boolean;
  onDone: (session: Session) => Promise<void>;
  onSecond: (stage: SecondStage) => void;
};

function First({ isOver, onDone, onSecond }: FirstProps) {
  const t = useWords();
  const { next, tenant, refused } = Route.useSearch();
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const entry = useMutation({
    mutationFn: signIn,
    onSuccess: async (answer) => {
      if (isSecondStage(answer)) onSecond(answer);
      else await onDone(answer);
    },
  });
  const passkey = useMutation({ mutationFn: signInPasskey, onSuccess: onDone });
  const problem = entry.error ? toProblem(entry.error) : null;
  return (
    <Gate key="first" title={t('sign_in.title')}>
      {isOver && !entry.error && (
        <p role="alert" className="text-sm text-bad-ink">
          {t('second.over')}
        </p>
      )}
      {refused !== undefined && !entry.error && (
        <p role="alert" className="text-sm text-bad-ink">
          {t(refused === 'rate-limited' ? 'sign_in.provider_wait' : 'sign_in.provider_refused')}
        </p>
      )}
      <Providers next={next} tenant={tenant} />
      <Form
        className="flex flex-col gap-4"
        validationErrors={problem?.byField()}
        onSubmit={(event) => {
          event.preventDefault();
          entry.mutate({ email, password });
        }}
      >
        <Field
          label={t('sign_in.email')}
          type="email"
          name="email"
          autoComplete="username"
          value={email}
          onChange={setEmail}
          isRequired
        />
        <Field
          label={t('sign_in.password')}
          type="password"
          name="password"
          autoComplete="current-password"
          value={password}
          onChange={setPassword}
          isRequired
        />
        {problem?.slug === 'unauthenticated' ? (
          <p role="alert" className="text-sm text-bad-ink">
            {t('sign_in.refused')}
          </p>
        ) : (
          problem && <ErrorState compact error={problem} />
        )}
        <Button type="submit" look="primary" size="large" isPending={entry.isPending}>
          {t('sign_in.submit')}
        </Button>
      </Form>
      {canUsePasskeys() && <WithPasskey entry={passkey} />}
      <Link to="/forgot-password" className={`inline-flex items-center self-start text-sm touch ${LINK}`}>
        {t('sign_in.forgot')}
      </Link>
    </Gate>
  );
}

function WithPasskey({ entry }: { entry: { error: Error | null; isPending: boolean; mutate: () => void } }) {
  const t = useWords();
  const problem = entry.error && !isCancelled(entry.error) ? toProblem(entry.error) : null;
  return (
    <div className="flex flex-col gap-4">
      <p className="flex items-center gap-3 text-xs text-ink-3 before:h-px before:flex-1 before:bg-line after:h-px after:flex-1 after:bg-line">
        {t('sign_in.or')}
      </p>
      {problem?.slug === 'unauthenticated' ? (
        <p role="alert" className="text-sm text-bad-ink">
          {t('sign_in.passkey_refused')}
        </p>
      ) : (
        problem && <ErrorState compact error={problem} />
      )}
      <Button size="large" onPress={() => entry.mutate()} isPending={entry.isPending}>
        <KeyRound aria-hidden size={16} /> {t('sign_in.passkey')}
      </Button>
    </div>
  );
}
