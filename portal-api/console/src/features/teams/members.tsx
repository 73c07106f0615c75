import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { X } from 'lucide-react';
import type { Team } from '#/api/types';
import { useAccessWords } from '#/features/access/permissions';
import { usersQuery } from '#/features/users/queries';
import { UserFinder } from '#/features/users/user-finder';
import { useWords } from '#/lib/words';
import { Button, IconButton } from '#/ui/button';
import { CheckBox } from '#/ui/check-box';
import { NAME_LINK } from '#/ui/link';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';
import './words';
import { editTeam, type TeamInput, teamQuery } from './queries';

type Change = { members: TeamInput['members']; said: string };

/** Who is in a team and who leads it; a change counts from their next request on. */
export function TeamMembers({ team, mayEdit }: { team: Team; mayEdit: boolean }) {
  const t = useWords();
  const words = useAccessWords();
  const client = useQueryClient();
  const query = useInfiniteQuery(usersQuery({ team: team.id }));
  const users = query.data?.pages.flatMap((page) => page.items) ?? [];
  const change = useMutation({
    mutationFn: ({ members }: Change) => editTeam(team, { name: team.name, members }),
    onSuccess: async (saved, { said }) => {
      toast({ text: said });
      client.setQueryData(teamQuery(team.id).queryKey, saved);
      await client.invalidateQueries({ queryKey: ['users', 'list'] });
      await client.invalidateQueries({ queryKey: ['teams'] });
    },
  });
  const without = (id: string) => team.members.filter((member) => member.user_id !== id);
  return (
    <Panel title={t('teams.members')}>
      <div className="flex flex-col gap-3">
        {mayEdit && (
          <UserFinder
            label={t('groups.member_add')}
            placeholder={t('groups.member_find')}
            without={team.members.map((member) => member.user_id)}
            onAdd={(user) =>
              change.mutate({
                members: [...team.members, { user_id: user.id, lead: false }],
                said: t('groups.member_added', { name: user.name }),
              })
            }
          />
        )}
        {change.error && <ErrorState compact error={change.error} />}
        <QueryView query={query} loading={t('users.loading')} skeletonRows={3}>
          {() =>
            users.length === 0 ? (
              <p className="text-sm text-ink-2">{t('teams.no_members')}</p>
            ) : (
              <ul className="flex flex-col divide-y divide-line">
                {users.map((user) => {
                  const lead = team.members.some((one) => one.user_id === user.id && one.lead);
                  return (
                    <li key={user.id} className="flex flex-wrap items-center gap-x-3 py-1.5">
                      <span className="min-w-0 flex-1 basis-40">
                        <Link to="/users/$id" params={{ id: user.id }} className={`text-sm ${NAME_LINK}`}>
                          {user.name}
                        </Link>
                        <span className="block truncate text-xs text-ink-2">
                          {user.email} · {words.role(user.role)}
                        </span>
                      </span>
                      {mayEdit ? (
                        <CheckBox
                          label={t('teams.leads')}
                          value={lead}
                          onChange={(on) =>
                            change.mutate({
                              members: [...without(user.id), { user_id: user.id, lead: on }],
                              said: t(on ? 'teams.is_lead' : 'teams.is_no_lead', { name: user.name }),
                            })
                          }
                        />
                      ) : (
                        lead && <span className="text-xs text-ink-2">{t('teams.leads')}</span>
                      )}
                      {mayEdit && (
                        <IconButton
                          label={t('groups.member_remove', { name: user.name })}
                          icon={X}
                          onPress={() =>
                            change.mutate({
                              members: without(user.id),
                              said: t('groups.member_removed', { name: user.name }),
                            })
                          }
                        />
                      )}
                    </li>
                  );
                })}
              </ul>
            )
          }
        </QueryView>
        {query.hasNextPage && (
          <Button size="small" look="quiet" onPress={() => void query.fetchNextPage()}>
            {t('ui.load_more')}
          </Button>
        )}
      </div>
    </Panel>
  );
}
