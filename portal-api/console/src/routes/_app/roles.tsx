import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Check } from 'lucide-react';
import { Fragment } from 'react';
import type { Role } from '#/api/types';
import { Permitted } from '#/app/permitted';
import { allPermissions, byNoun, ROLES, useAccessWords } from '#/features/access/permissions';
import { rolesQuery } from '#/features/access/queries';
import { PeopleNav } from '#/features/users/people-nav';
import { usePhone } from '#/lib/media';
import { oneOf } from '#/lib/search';
import { useWords } from '#/lib/words';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { Select } from '#/ui/select';

type RolesSearch = { role?: (typeof ROLES)[number] };

export const Route = createFileRoute('/_app/roles')({
  validateSearch: (search): RolesSearch => ({ role: oneOf(search.role, ROLES) }),
  component: RolesPage,
});

function RolesPage() {
  const t = useWords();
  return (
    <Permitted needs="users.read" title={t('roles.title')}>
      <Roles />
    </Permitted>
  );
}

function Roles() {
  const t = useWords();
  const phone = usePhone();
  const query = useQuery(rolesQuery);
  return (
    <Page title={t('roles.title')}>
      <PeopleNav />
      <p className="max-w-prose text-sm text-ink-2">{t('roles.text')}</p>
      <QueryView query={query} loading={t('roles.loading')}>
        {(roles) => (phone ? <OneRole roles={roles} /> : <Matrix roles={roles} />)}
      </QueryView>
    </Page>
  );
}

/** Permissions down, roles across; a hairline parts people of the house from those outside. */
function Matrix({ roles }: { roles: readonly Role[] }) {
  const t = useWords();
  const words = useAccessWords();
  const edge = (at: number) => (at > 0 && roles[at]?.side !== roles[at - 1]?.side ? 'border-l' : '');
  return (
    <section
      aria-label={t('roles.matrix')}
      tabIndex={0}
      className="max-h-[calc(100dvh-260px)] min-h-80 overflow-auto rounded-panel border border-line bg-surface -outline-offset-2"
    >
      <table className="w-full border-separate border-spacing-0 text-sm">
        <thead>
          <tr>
            <th
              scope="col"
              className="sticky top-0 left-0 z-20 h-9 border-b border-line bg-sunken px-4 text-left text-xs font-medium text-ink-2"
            >
              {t('access.permission')}
            </th>
            {roles.map((role, at) => (
              <th
                key={role.role}
                scope="col"
                title={words.roleText(role.role)}
                className={`sticky top-0 z-10 h-9 border-b border-line bg-sunken px-2 text-center text-xs font-medium text-ink-2 ${edge(at)}`}
              >
                <Link to="/users" search={{ role: role.role }} className={LINK}>
                  {words.role(role.role)}
                </Link>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {byNoun(allPermissions(roles)).map(({ noun, permissions }) => (
            <Fragment key={noun}>
              <tr>
                <th
                  scope="colgroup"
                  colSpan={roles.length + 1}
                  className="border-b border-line bg-surface px-4 pt-3 pb-1 text-left text-xs font-semibold text-ink"
                >
                  <span className="sticky left-4">{words.noun(noun)}</span>
                </th>
              </tr>
              {permissions.map((permission) => (
                <tr key={permission} className="group">
                  <th
                    scope="row"
                    title={permission}
                    className="sticky left-0 z-10 min-w-60 border-b border-line bg-surface px-4 py-1.5 text-left font-normal text-ink group-hover:bg-hover"
                  >
                    {words.permission(permission)}
                  </th>
                  {roles.map((role, at) => {
                    const has = role.permissions.includes(permission);
                    return (
                      <td
                        key={role.role}
                        className={`border-b border-line px-2 text-center group-hover:bg-hover ${edge(at)}`}
                      >
                        {has && <Check aria-hidden size={16} className="inline text-ok" />}
                        <span className="sr-only">{t(has ? 'value.yes' : 'value.no')}</span>
                      </td>
                    );
                  })}
                </tr>
              ))}
            </Fragment>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** On a phone one role at a time. */
function OneRole({ roles }: { roles: readonly Role[] }) {
  const t = useWords();
  const words = useAccessWords();
  const { role: name = 'admin' } = Route.useSearch();
  const navigate = Route.useNavigate();
  const role = roles.find((one) => one.role === name);
  return (
    <>
      <Select
        label={t('users.role')}
        help={words.roleText(name)}
        value={name}
        onChange={(value) => void navigate({ search: { role: oneOf(value, ROLES) }, replace: true })}
        choices={roles.map((one) => ({ value: one.role, label: words.role(one.role) }))}
      />
      <Panel title={t('roles.may', { role: words.role(name) })}>
        {role && role.permissions.length > 0 ? (
          <dl className="flex flex-col divide-y divide-line">
            {byNoun(role.permissions).map(({ noun, permissions }) => (
              <div key={noun} className="py-2 first:pt-0 last:pb-0">
                <dt className="text-xs font-medium text-ink-3">{words.noun(noun)}</dt>
                {permissions.map((permission) => (
                  <dd key={permission} className="flex items-center gap-2 py-0.5 text-sm text-ink">
                    <Check aria-hidden size={14} className="shrink-0 text-ok" />
                    {words.permission(permission)}
                  </dd>
                ))}
              </div>
            ))}
          </dl>
        ) : (
          <p className="text-sm text-ink-2">{t('roles.nothing')}</p>
        )}
      </Panel>
    </>
  );
}
