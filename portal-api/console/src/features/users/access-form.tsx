import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { User } from '#/api/types';
import { PermissionPicker } from '#/features/access/permission-picker';
import { useAccessWords } from '#/features/access/permissions';
import { useStepUp } from '#/features/factors/step-up';
import { GroupChecks } from '#/features/groups/group-checks';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Field } from '#/ui/field';
import { ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';
import { type Belonging, fitting } from './belonging';
import { BelongingFields } from './belonging-fields';
import { editUser, type UserChange, userQuery } from './queries';
import { RoleSelect } from './role-select';

type Props = { user: User; isSelf: boolean; mayEdit: boolean };

/** Name, role, groups and single grants. Nobody changes their own role: that is said instead. */
export function AccessForm({ user, isSelf, mayEdit }: Props) {
  const t = useWords();
  const words = useAccessWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  // Only what is edited: a change by somebody else shows through everywhere else, and nothing typed is lost by it.
  const [change, setChange] = useState<UserChange>({});
  const { name, role, groups, grants } = { ...user, ...change };
  const set = user.scope_is_set ? user.scope : null;
  const stored = { scope: set, partner_id: user.partner_id ?? null, account_id: user.account_id ?? null };
  const belonging: Belonging = {
    scope: change.scope === undefined ? stored.scope : change.scope,
    partner_id: change.partner_id === undefined ? stored.partner_id : change.partner_id,
    account_id: change.account_id === undefined ? stored.account_id : change.account_id,
  };
  const edit = (more: UserChange) => setChange((old) => ({ ...old, ...more }));
  const [picking, setPicking] = useState(false);
  const save = useMutation({
    mutationFn: guard<UserChange, User>((change) => editUser(user, change)),
    onSuccess: async (saved) => {
      toast({ text: t('users.saved') });
      client.setQueryData(userQuery(user.id).queryKey, saved);
      setChange({});
      await client.invalidateQueries({ queryKey: ['users', 'list'] });
      await client.invalidateQueries({ queryKey: ['groups'] });
      await client.invalidateQueries({ queryKey: ['session'] });
    },
  });
  const problem = save.error ? toProblem(save.error) : null;
  const locked = !mayEdit || isSelf;
  return (
    <>
      <Form
        className="flex flex-col gap-4"
        validationErrors={problem?.byField()}
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate(change);
        }}
      >
        <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
          <Field
            label={t('users.name')}
            name="name"
            value={name}
            onChange={(name) => edit({ name })}
            maxLength={120}
            isDisabled={!mayEdit}
            isRequired
          />
          <RoleSelect
            value={role}
            onChange={(role) => edit({ role, ...changed(stored, fitting(role, belonging)) })}
            isDisabled={locked}
          />
        </div>
        <BelongingFields role={role} value={belonging} onChange={edit} isDisabled={locked} />
        {isSelf && mayEdit && <p className="text-sm text-ink-2">{t('users.not_own')}</p>}
        <GroupChecks
          chosen={groups}
          onChange={(groups) => edit({ groups })}
          isDisabled={locked}
          account={belonging.account_id}
        />
        <div className="flex flex-col gap-1">
          <div className="flex flex-wrap items-center justify-between gap-2">
            <span className="text-xs font-medium text-ink-2">{t('access.grants')}</span>
            {!locked && (
              <Button size="small" look="quiet" aria-expanded={picking} onPress={() => setPicking(!picking)}>
                {t(picking ? 'access.grants_fold' : 'access.grants_change')}
              </Button>
            )}
          </div>
          {picking ? (
            <PermissionPicker
              label={t('access.grants')}
              chosen={grants}
              onChange={(grants) => edit({ grants })}
              isDisabled={locked}
              given={(permission) =>
                user.permissions.includes(permission) && !user.grants.includes(permission)
                  ? t('access.has_anyway')
                  : undefined
              }
            />
          ) : (
            <p className={`text-sm ${grants.length > 0 ? 'text-ink' : 'text-ink-3'}`}>
              {grants.map(words.permission).join(' · ') || t('access.grants_none')}
            </p>
          )}
        </div>
        {problem && <ErrorState compact error={problem} />}
        {mayEdit && (
          <div>
            <Button
              type="submit"
              look="primary"
              isPending={save.isPending}
              isDisabled={Object.keys(change).length === 0}
            >
              {t('ui.save')}
            </Button>
          </div>
        )}
      </Form>
      {dialog}
    </>
  );
}

/** What differs from what is stored: what does not is not sent. */
function changed(stored: Belonging, now: Belonging): Partial<Belonging> {
  return Object.fromEntries(
    Object.entries(now).map(([name, value]) => [
      name,
      value === stored[name as keyof Belonging] ? undefined : value,
    ]),
  );
}
