import { useMutation, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link, redirect, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import { Gate } from '#/app/gate';
import { Providers } from '#/features/session/providers';
import { sessionQuery, signIn } from '#/features/session/queries';
import { textParam } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Field } from '#/ui/field';
import { LINK } from '#/ui/link';
import { ErrorState } from '#/ui/states';

export const Route = createFileRoute('/sign-in')({
  validateSearch: (search): { next?: string; tenant?: string; refused?: string } => ({
    next: ownPath(textParam(search.next)),
    tenant: textParam(search.tenant),
    refused: textParam(search.refused),
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
  const { next, tenant, refused } = Route.useSearch();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const entry = useMutation({
    mutationFn: signIn,
    onSuccess: async (session) => {
      client.setQueryData(sessionQuery.queryKey, session);
      if (session.user.must_change_password) await navigate({ to: '/password', search: { next } });
      else await navigate({ href: next ?? '/' });
    },
  });
  const problem = entry.error ? toProblem(entry.error) : null;
  return (
    <Gate title={t('sign_in.title')}>
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
      <Link to="/forgot-password" className={`inline-flex items-center self-start text-sm touch ${LINK}`}>
        {t('sign_in.forgot')}
      </Link>
    </Gate>
  );
}
