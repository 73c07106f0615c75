import { useMutation, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { Invited, RoleName } from '#/api/types';
import { Permitted } from '#/app/permitted';
import { ROLES } from '#/features/access/permissions';
import { useStepUp } from '#/features/factors/step-up';
import { GroupChecks } from '#/features/groups/group-checks';
import { type Belonging, chosen, fitting } from '#/features/users/belonging';
import { BelongingFields } from '#/features/users/belonging-fields';
import { LinkDialog } from '#/features/users/link-dialog';
import { inviteUser, type NewUser } from '#/features/users/queries';
import { RoleSelect } from '#/features/users/role-select';
import { oneOf, textParam } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Button, buttonLook } from '#/ui/button';
import { Field } from '#/ui/field';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { ErrorState } from '#/ui/states';

/** A page of an organisation begins an invitation with its role and its id. */
type InviteSearch = { role?: RoleName; partner?: string };

export const Route = createFileRoute('/_app/users/new')({
  validateSearch: (search): InviteSearch => ({
    role: oneOf(search.role, ROLES),
    partner: textParam(search.partner),
  }),
  component: InvitePage,
});

function InvitePage() {
  const t = useWords();
  return (
    <Permitted needs="users.manage" title={t('users.invite')}>
      <Page
        title={t('users.invite')}
        up={
          <Link to="/users" className={LINK}>
            {t('users.title')}
          </Link>
        }
      >
        <Panel className="max-w-160">
          <InviteForm />
        </Panel>
      </Page>
    </Permitted>
  );
}

function InviteForm() {
  const t = useWords();
  const navigate = Route.useNavigate();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [email, setEmail] = useState('');
  const [name, setName] = useState('');
  const begin = Route.useSearch();
  const [role, setRole] = useState<RoleName>(begin.role ?? 'viewer');
  const [groups, setGroups] = useState<string[]>([]);
  const [belonging, setBelonging] = useState<Belonging>(() =>
    fitting(role, { scope: null, partner_id: begin.partner ?? null, account_id: null }),
  );
  const [invited, setInvited] = useState<Invited | null>(null);
  const invite = useMutation({
    mutationFn: guard<NewUser, Invited>(inviteUser),
    onSuccess: async (made) => {
      setInvited(made);
      await client.invalidateQueries({ queryKey: ['users'] });
    },
  });
  const problem = invite.error ? toProblem(invite.error) : null;
  return (
    <>
      <Form
        className="flex flex-col gap-4"
        validationErrors={problem?.byField()}
        onSubmit={(event) => {
          event.preventDefault();
          invite.mutate({ email, name, role, groups, ...chosen(belonging) });
        }}
      >
        <p className="text-sm text-ink-2">{t('users.invite_text')}</p>
        <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
          <Field
            label={t('users.email')}
            name="email"
            type="email"
            inputMode="email"
            autoComplete="off"
            autoFocus
            value={email}
            onChange={setEmail}
            isRequired
          />
          <Field
            label={t('users.name')}
            name="name"
            autoComplete="off"
            maxLength={120}
            value={name}
            onChange={setName}
            isRequired
          />
        </div>
        <RoleSelect
          value={role}
          onChange={(next) => {
            setRole(next);
            setBelonging((old) => fitting(next, old));
          }}
        />
        <BelongingFields
          role={role}
          value={belonging}
          onChange={(change) => setBelonging((old) => ({ ...old, ...change }))}
        />
        <GroupChecks chosen={groups} onChange={setGroups} account={belonging.account_id} />
        {problem && <ErrorState compact error={problem} />}
        <div className="flex gap-2">
          <Button type="submit" look="primary" isPending={invite.isPending}>
            {t('users.invite_submit')}
          </Button>
          <Link to="/users" className={buttonLook('quiet')}>
            {t('ui.cancel')}
          </Link>
        </div>
      </Form>
      <LinkDialog
        to={invited?.user.email ?? ''}
        made={invited?.invitation ?? null}
        onClose={() => {
          const id = invited?.user.id;
          setInvited(null);
          if (id) void navigate({ to: '/users/$id', params: { id } });
        }}
      />
      {dialog}
    </>
  );
}
