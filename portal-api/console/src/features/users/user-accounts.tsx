import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { User } from '#/api/types';
import { HeldAccounts } from '#/features/assignments/held-accounts';
import { teamsOf, teamsQuery } from '#/features/teams/queries';
import '#/features/teams/words';
import { useWords, wordFor } from '#/lib/words';
import { NAME_LINK } from '#/ui/link';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';

/** Somebody's teams, which accounts they see by that, and which are assigned to them alone. */
export function UserAccounts({ user }: { user: User }) {
  const t = useWords();
  const query = useQuery(teamsQuery);
  return (
    <div className="grid grid-cols-[minmax(0,1fr)_minmax(0,2fr)] items-start gap-4 max-lg:grid-cols-1">
      <Panel title={t('teams.title')}>
        <div className="flex flex-col gap-3">
          <p className="text-sm text-ink-2">{wordFor(t, `scope_help.${user.scope}`, user.scope)}</p>
          <QueryView query={query} loading={t('teams.loading')} skeletonRows={2}>
            {({ items }) => {
              const teams = teamsOf(items, user.id);
              if (teams.length === 0) return <p className="text-sm text-ink-2">{t('teams.of_nobody')}</p>;
              return (
                <ul className="flex flex-col divide-y divide-line">
                  {teams.map((team) => {
                    const leads = team.members.some((one) => one.user_id === user.id && one.lead);
                    return (
                      <li key={team.id} className="flex items-center justify-between gap-3 py-1.5 text-sm">
                        <Link to="/teams/$id" params={{ id: team.id }} className={`truncate ${NAME_LINK}`}>
                          {team.name}
                        </Link>
                        <span className="numeric text-xs whitespace-nowrap text-ink-2">
                          {leads && `${t('teams.leads')} · `}
                          {t('accounts.count', { count: team.accounts })}
                        </span>
                      </li>
                    );
                  })}
                </ul>
              );
            }}
          </QueryView>
        </div>
      </Panel>
      <HeldAccounts holder={user.id} title={t('assign.alone')} empty={t('assign.none_alone')} />
    </div>
  );
}
