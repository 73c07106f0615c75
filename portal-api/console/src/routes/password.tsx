import { useMutation, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, redirect, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import { Gate } from '#/app/gate';
import { changePassword, sessionQuery } from '#/features/session/queries';
import { textParam } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Field } from '#/ui/field';
import { ErrorState } from '#/ui/states';

export const Route = createFileRoute('/password')({
  validateSearch: (search): { next?: string } => ({ next: textParam(search.next) }),
  beforeLoad: async ({ context }) => {
    const session = await context.queryClient.ensureQueryData(sessionQuery);
    if (!session) throw redirect({ to: '/sign-in' });
  },
  component: ChangePassword,
});

/** As the server asks; it has the last word. */
const SHORTEST = 10;

function ChangePassword() {
  const t = useWords();
  const { next } = Route.useSearch();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [current, setCurrent] = useState('');
  const [fresh, setFresh] = useState('');
  const [again, setAgain] = useState('');
  const change = useMutation({
    mutationFn: changePassword,
    onSuccess: async () => {
      await client.fetchQuery({ ...sessionQuery, staleTime: 0 });
      await navigate({ href: next?.startsWith('/') && !next.startsWith('//') ? next : '/' });
    },
  });
  const problem = change.error ? toProblem(change.error) : null;
  return (
    <Gate title={t('password.title')} text={t('password.text')}>
      <Form
        className="flex flex-col gap-4"
        validationErrors={problem?.byField()}
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate({ current, new: fresh });
        }}
      >
        <Field
          label={t('password.current')}
          type="password"
          name="current"
          autoComplete="current-password"
          value={current}
          onChange={setCurrent}
          isRequired
        />
        <Field
          label={t('password.new')}
          help={t('password.rule', { shortest: SHORTEST })}
          type="password"
          name="new"
          autoComplete="new-password"
          minLength={SHORTEST}
          value={fresh}
          onChange={setFresh}
          isRequired
        />
        <Field
          label={t('password.again')}
          type="password"
          name="again"
          autoComplete="new-password"
          value={again}
          onChange={setAgain}
          validate={(value) => (value === fresh ? null : t('password.differs'))}
          isRequired
        />
        {problem && problem.errors.length === 0 && <ErrorState compact error={problem} />}
        <Button type="submit" look="primary" size="large" isPending={change.isPending}>
          {t('password.submit')}
        </Button>
      </Form>
    </Gate>
  );
}
