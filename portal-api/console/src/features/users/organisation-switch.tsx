import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { User } from '#/api/types';
import { useStepUp } from '#/features/factors/step-up';
import '#/features/own-organisation/words';
import { useWords } from '#/lib/words';
import { CheckBox } from '#/ui/check-box';
import { Panel } from '#/ui/panel';
import { ErrorState } from '#/ui/states';
import { editUser, userQuery } from './queries';

/** Makes somebody of a customer look after the others of it, or no more. */
export function OrganisationSwitch({ user, isDisabled }: { user: User; isDisabled: boolean }) {
  const t = useWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const turn = useMutation({
    mutationFn: guard<boolean, User>((on) =>
      editUser(user, { role: on ? 'customer_admin' : 'customer_user' }),
    ),
    onSuccess: async (saved) => {
      client.setQueryData(userQuery(user.id).queryKey, saved);
      await client.invalidateQueries({ queryKey: ['users', 'list'] });
    },
  });
  const isHomeless = user.account_id == null;
  return (
    <Panel title={t('own_switch.title')}>
      <div className="flex flex-col gap-2">
        <CheckBox
          label={t('own_switch.label')}
          value={user.role === 'customer_admin'}
          onChange={(on) => turn.mutate(on)}
          isDisabled={isDisabled || turn.isPending || (isHomeless && user.role !== 'customer_admin')}
        />
        <p className="max-w-prose text-xs text-ink-2">
          {t(isHomeless ? 'own_switch.no_account' : 'own_switch.help')}
        </p>
        {turn.error && <ErrorState compact error={turn.error} />}
      </div>
      {dialog}
    </Panel>
  );
}
