import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { X } from 'lucide-react';
import { useState } from 'react';
import type { Assignment } from '#/api/types';
import { useMay } from '#/features/session/queries';
import '#/features/teams/words';
import { UserName } from '#/features/users/user-name';
import { useWords } from '#/lib/words';
import { Button, IconButton } from '#/ui/button';
import { QueryView } from '#/ui/query-view';
import { ErrorState } from '#/ui/states';
import { Time } from '#/ui/time';
import { toast } from '#/ui/toast';
import { Holder, HolderPicker } from './holders';
import { assign, assignmentsQuery, endAssignment } from './queries';

/** Who looks after an account now, who did, and giving it to somebody else. */
export function AccountHolders({ account }: { account: string }) {
  const t = useWords();
  const may = useMay();
  const client = useQueryClient();
  const [past, setPast] = useState(false);
  const [round, setRound] = useState(0);
  const query = useQuery(assignmentsQuery(account));
  const mayAssign = may('teams.manage');
  const refresh = async () => {
    await client.invalidateQueries({ queryKey: ['accounts'] });
    await client.invalidateQueries({ queryKey: ['teams'] });
    await client.invalidateQueries({ queryKey: ['partners'] });
  };
  const give = useMutation({
    mutationFn: (to: string) => assign({ account, to }),
    onSuccess: async (all, to) => {
      client.setQueryData(assignmentsQuery(account).queryKey, all);
      const name = all.find((one) => one.holder_id === to)?.name ?? to;
      toast({ text: t('assign.given', { name }) });
      setRound((old) => old + 1);
      await refresh();
    },
  });
  const end = useMutation({
    mutationFn: (one: Assignment) => endAssignment({ account, assignment: one.id }),
    onSuccess: async (_, one) => {
      toast({
        text: t('assign.ended', { name: one.name }),
        action: { label: t('assign.undo'), run: () => give.mutate(one.holder_id) },
      });
      await refresh();
    },
  });
  const failed = give.error ?? end.error;
  return (
    <div className="flex flex-col gap-3">
      {mayAssign && (
        <HolderPicker
          key={round}
          label={t('assign.to')}
          value=""
          onChange={(to) => to !== '' && give.mutate(to)}
          without={holding(query.data).map((one) => one.holder_id)}
        />
      )}
      {failed && <ErrorState compact error={failed} />}
      <QueryView query={query} loading={t('assign.loading')} skeletonRows={2}>
        {(all) => {
          const now = holding(all);
          const before = all.filter((one) => one.ended_at !== null);
          return (
            <>
              {now.length === 0 ? (
                <p className="text-sm text-ink-2">{t('assign.nobody')}</p>
              ) : (
                <ul className="flex flex-col divide-y divide-line">
                  {now.map((one) => (
                    <li key={one.id} className="flex items-center gap-2 py-1.5 first:pt-0">
                      <span className="min-w-0 flex-1 text-sm">
                        <Holder id={one.holder_id} name={one.name} />
                        <Since one={one} />
                      </span>
                      {mayAssign && (
                        <IconButton
                          label={t('assign.end', { name: one.name })}
                          icon={X}
                          onPress={() => end.mutate(one)}
                        />
                      )}
                    </li>
                  ))}
                </ul>
              )}
              {before.length > 0 && (
                <>
                  <Button
                    size="small"
                    look="quiet"
                    className="self-start"
                    aria-expanded={past}
                    onPress={() => setPast(!past)}
                  >
                    {t(past ? 'assign.history_fold' : 'assign.history', { count: before.length })}
                  </Button>
                  {past && (
                    <ul className="flex flex-col divide-y divide-line">
                      {before.map((one) => (
                        <li key={one.id} className="py-1.5 text-sm">
                          <Holder id={one.holder_id} name={one.name} />
                          <Since one={one} />
                        </li>
                      ))}
                    </ul>
                  )}
                </>
              )}
            </>
          );
        }}
      </QueryView>
    </div>
  );
}

function holding(all: readonly Assignment[] | undefined): Assignment[] {
  return (all ?? []).filter((one) => one.ended_at === null);
}

/** From when to when, and by whom, as far as one may see people. */
function Since({ one }: { one: Assignment }) {
  const t = useWords();
  const may = useMay();
  const sees = may('users.read');
  return (
    <span className="block text-xs text-ink-2">
      {t('assign.since')} <Time at={one.assigned_at} />
      {sees && (
        <>
          {' '}
          {t('assign.by')} <UserName id={one.assigned_by} />
        </>
      )}
      {one.ended_at && (
        <>
          {' · '}
          {t('assign.until')} <Time at={one.ended_at} />
          {sees && one.ended_by && (
            <>
              {' '}
              {t('assign.by')} <UserName id={one.ended_by} />
            </>
          )}
        </>
      )}
    </span>
  );
}
