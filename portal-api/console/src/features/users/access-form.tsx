import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components/Form';
import { toProblem } from '#/api/problem';
import type { User } from '#/api/types';
import { PermissionPicker } from '#/features/access/permission-picker';
import { useStepUp } from '#/features/factors/step-up';
import { GroupChecks } from '#/features/groups/group-checks';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Field } from '#/ui/field';
import { ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';
import { editUser, type UserChange, userQuery } from './queries';
import { RoleSelect } from './role-select';

type Props = { user: User; isSelf: boolean; mayEdit: boolean };

/** Name, role, groups and single grants. Nobody changes their own role: that is said instead. */
export function AccessForm({ user, isSelf, mayEdit }: Props) {
  const t = useWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [name, setName] = useState(user.name);
  const [role, setRole] = useState(user.role);
  const [groups, setGroups] = useState(user.groups);
  const [grants, setGrants] = useState(user.grants);
  const [picking, setPicking] = useState(user.grants.length > 0);
  const save = useMutation({
    mutationFn: guard<UserChange, User>((change) => editUser(user, change)),
    onSuccess: async (saved) => {
      toast({ text: t('users.saved') });
      client.setQueryData(userQuery(user.id).queryKey, saved);
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
          save.mutate(isSelf ? { name } : { name, role, groups, grants });
        }}
      >
        <div className="grid grid-cols-2 gap-4 max-sm:grid-cols-1">
          <Field
            label={t('users.name')}
            name="name"
            value={name}
            onChange={setName}
            maxLength={120}
            isDisabled={!mayEdit}
            isRequired
          />
          <RoleSelect value={role} onChange={setRole} isDisabled={locked} />
        </div>
        {isSelf && mayEdit && <p className="text-sm text-ink-2">{t('users.not_own')}</p>}
        <GroupChecks chosen={groups} onChange={setGroups} isDisabled={locked} />
        <div className="flex flex-col gap-1">
          <div className="flex flex-wrap items-center justify-between gap-2">
            <span className="text-xs font-medium text-ink-2">{t('access.grants')}</span>
            {!picking && !locked && (
              <Button size="small" look="quiet" onPress={() => setPicking(true)}>
                {t('access.grants_add')}
              </Button>
            )}
          </div>
          {picking ? (
            <PermissionPicker
              label={t('access.grants')}
              chosen={grants}
              onChange={setGrants}
              isDisabled={locked}
              given={(permission) =>
                user.permissions.includes(permission) && !user.grants.includes(permission)
                  ? t('access.has_anyway')
                  : undefined
              }
            />
          ) : (
            <p className="text-sm text-ink-3">{t('access.grants_none')}</p>
          )}
        </div>
        {problem && <ErrorState compact error={problem} />}
        {mayEdit && (
          <div>
            <Button type="submit" look="primary" isPending={save.isPending}>
              {t('ui.save')}
            </Button>
          </div>
        )}
      </Form>
      {dialog}
    </>
  );
}
