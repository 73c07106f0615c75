import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { X } from 'lucide-react';
import type { Group, User } from '#/api/types';
import { useAccessWords } from '#/features/access/permissions';
import { useStepUp } from '#/features/factors/step-up';
import { editUser, usersQuery } from '#/features/users/queries';
import { UserFinder } from '#/features/users/user-finder';
import { useWords } from '#/lib/words';
import { Button, IconButton } from '#/ui/button';
import { NAME_LINK } from '#/ui/link';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';

type Change = { user: User; groups: string[] };

/** Who is in a group; a change counts from their next request on. */
export function Members({ group, mayEdit }: { group: Group; mayEdit: boolean }) {
  const t = useWords();
  const words = useAccessWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const query = useInfiniteQuery(usersQuery({ group: group.id }));
  const members = query.data?.pages.flatMap((page) => page.items) ?? [];
  const change = useMutation({
    mutationFn: guard<Change, User>(({ user, groups }) => editUser(user, { groups })),
    onSuccess: async (_, { user, groups }) => {
      const isIn = groups.includes(group.id);
      toast({ text: t(isIn ? 'groups.member_added' : 'groups.member_removed', { name: user.name }) });
      await client.invalidateQueries({ queryKey: ['users'] });
      await client.invalidateQueries({ queryKey: ['groups', 'list'] });
    },
  });
  return (
    <Panel title={t('groups.members')}>
      <div className="flex flex-col gap-3">
        {mayEdit && (
          <UserFinder
            label={t('groups.member_add')}
            placeholder={t('groups.member_find')}
            without={members.map((member) => member.id)}
            onAdd={(user) => change.mutate({ user, groups: [...user.groups, group.id] })}
          />
        )}
        {change.error && <ErrorState compact error={change.error} />}
        <QueryView query={query} loading={t('users.loading')} skeletonRows={3}>
          {() =>
            members.length === 0 ? (
              <p className="text-sm text-ink-2">{t('groups.no_members')}</p>
            ) : (
              <ul className="flex flex-col divide-y divide-line">
                {members.map((user) => (
                  <li key={user.id} className="flex items-center gap-3 py-1.5">
                    <span className="min-w-0 flex-1">
                      <Link to="/users/$id" params={{ id: user.id }} className={`text-sm ${NAME_LINK}`}>
                        {user.name}
                      </Link>
                      <span className="block truncate text-xs text-ink-2">
                        {user.email} · {words.role(user.role)}
                      </span>
                    </span>
                    {mayEdit && (
                      <IconButton
                        label={t('groups.member_remove', { name: user.name })}
                        icon={X}
                        onPress={() =>
                          change.mutate({ user, groups: user.groups.filter((id) => id !== group.id) })
                        }
                      />
                    )}
                  </li>
                ))}
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
      {dialog}
    </Panel>
  );
}
