import { useMutation, useQueryClient } from '@tanstack/react-query';
import { UserRoundCheck, UserRoundX } from 'lucide-react';
import { useState } from 'react';
import type { User } from '#/api/types';
import { useStepUp } from '#/features/factors/step-up';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Confirm } from '#/ui/confirm';
import { toast } from '#/ui/toast';
import { deactivateUser, reactivateUser, userQuery } from './queries';

/** Lets somebody in or out. An invitation is withdrawn by the same deed: its link stops working. */
export function StateActions({ user }: { user: User }) {
  const t = useWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [asking, setAsking] = useState(false);
  const isOut = user.state === 'deactivated';
  const isInvited = user.state === 'invited';
  const change = useMutation({
    mutationFn: guard<string, User>((id) => (isOut ? reactivateUser(id) : deactivateUser(id))),
    onSuccess: async (saved) => {
      setAsking(false);
      toast({ text: t(isOut ? 'users.is_reactivated' : 'users.is_deactivated', { name: saved.name }) });
      client.setQueryData(userQuery(user.id).queryKey, saved);
      await client.invalidateQueries({ queryKey: ['users'] });
    },
  });
  const verb = isOut ? 'reactivate' : isInvited ? 'withdraw' : 'deactivate';
  const effects = {
    reactivate: [t('users.reactivate_text'), t('users.reactivate_links')],
    withdraw: [t('users.withdraw_text'), t('users.withdraw_stays')],
    deactivate: [t('users.deactivate_sessions'), t('users.deactivate_keys'), t('users.deactivate_stays')],
  }[verb];
  return (
    <>
      <Button
        look={isOut ? 'plain' : 'danger'}
        icon={isOut ? UserRoundCheck : UserRoundX}
        onPress={() => setAsking(true)}
      >
        {t(`users.${verb}`)}
      </Button>
      <Confirm
        danger={!isOut}
        title={t(`users.${verb}_named`, { name: user.name })}
        isOpen={asking}
        onClose={() => {
          setAsking(false);
          change.reset();
        }}
        text={effects}
        action={t(`users.${verb}`)}
        onConfirm={() => change.mutate(user.id)}
        isPending={change.isPending}
        error={change.error}
      />
      {dialog}
    </>
  );
}
