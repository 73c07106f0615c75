import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Check, Minus } from 'lucide-react';
import { useState } from 'react';
import type { User } from '#/api/types';
import { groupsQuery } from '#/features/groups/queries';
import { useWords } from '#/lib/words';
import { CheckBox } from '#/ui/check-box';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { byNoun, type Effective, effective, useAccessWords } from './permissions';
import { rolesQuery } from './queries';

const TAG = 'inline-flex min-h-5 max-w-full items-center rounded-tag px-1.5 text-xs font-medium no-underline';

/** Everything a user may do, and by what: role, groups, single grants. */
export function EffectiveList({ user }: { user: User }) {
  const t = useWords();
  const words = useAccessWords();
  const roles = useQuery(rolesQuery);
  const groups = useQuery(groupsQuery).data?.items ?? [];
  const [all, setAll] = useState(false);
  return (
    <Panel
      title={t('access.effective')}
      actions={<CheckBox label={t('access.show_lacking')} value={all} onChange={setAll} />}
    >
      <QueryView query={roles} loading={t('roles.loading')}>
        {(known) => {
          const list = effective(user, known, groups);
          const held = list.filter((one) => one.sources.length > 0);
          const shown = all ? list : held;
          const find = (permission: string) => list.find((one) => one.permission === permission);
          return (
            <div className="flex flex-col gap-3">
              <p className="text-sm text-ink-2">
                {t('access.effective_text', { held: held.length, all: list.length })}
              </p>
              {shown.length > 0 && (
                <ul className="flex flex-col divide-y divide-line">
                  {byNoun(shown.map((one) => one.permission)).map(({ noun, permissions }) => (
                    <li key={noun} className="py-2 first:pt-0 last:pb-0">
                      <p className="text-xs font-medium text-ink-3">{words.noun(noun)}</p>
                      <ul>
                        {permissions.map((permission) => (
                          <Line
                            key={permission}
                            permission={permission}
                            found={find(permission)}
                            role={user.role}
                          />
                        ))}
                      </ul>
                    </li>
                  ))}
                </ul>
              )}
            </div>
          );
        }}
      </QueryView>
    </Panel>
  );
}

function Line({ permission, found, role }: { permission: string; found?: Effective; role: string }) {
  const t = useWords();
  const words = useAccessWords();
  const sources = found?.sources ?? [];
  const Mark = sources.length > 0 ? Check : Minus;
  return (
    <li className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1 py-1">
      <span
        title={permission}
        className={`flex min-w-0 items-center gap-2 text-sm ${sources.length > 0 ? 'text-ink' : 'text-ink-3'}`}
      >
        <Mark aria-hidden size={14} className={`shrink-0 ${sources.length > 0 ? 'text-ok' : 'text-ink-3'}`} />
        {words.permission(permission)}
      </span>
      <span className="flex min-w-0 flex-wrap items-center gap-1">
        {sources.length === 0 && <span className="text-xs text-ink-3">{t('access.lacking')}</span>}
        {sources.map((source) =>
          source.kind === 'group' ? (
            <Link
              key={source.group.id}
              to="/groups/$id"
              params={{ id: source.group.id }}
              className={`${TAG} bg-hold-soft text-hold-ink hover:underline`}
            >
              <span className="truncate">{t('access.by_group', { name: source.group.name })}</span>
            </Link>
          ) : (
            <span
              key={source.kind}
              className={`${TAG} ${source.kind === 'role' ? 'bg-idle-soft text-idle-ink' : 'bg-accent-soft text-accent-ink'}`}
            >
              {source.kind === 'role'
                ? t('access.by_role', { role: words.role(role) })
                : t('access.by_grant')}
            </span>
          ),
        )}
      </span>
    </li>
  );
}
