import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Plus } from 'lucide-react';
import { useMemo, useState } from 'react';
import type { Group, Organisation, User } from '#/api/types';
import { Permitted } from '#/app/permitted';
import { useAccessWords } from '#/features/access/permissions';
import { GroupDialog } from '#/features/own-organisation/group-dialog';
import { InviteDialog } from '#/features/own-organisation/invite-dialog';
import { PersonDialog } from '#/features/own-organisation/person-dialog';
import { organisationQuery, ownGroupsQuery, peopleQuery } from '#/features/own-organisation/queries';
import { UserPill } from '#/features/users/state';
import { textParam } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { NAME_LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { type Column, Table } from '#/ui/table';
import { Time } from '#/ui/time';

export const Route = createFileRoute('/_app/organisation')({
  validateSearch: (search): { person?: string } => ({ person: textParam(search.person) }),
  component: OrganisationPage,
});

function OrganisationPage() {
  const t = useWords();
  return (
    <Permitted needs="organisation.manage" title={t('own.title')}>
      <OwnOrganisation />
    </Permitted>
  );
}

/** The people and groups of a customer, for those of them who look after the others. */
function OwnOrganisation() {
  const t = useWords();
  const query = useQuery(organisationQuery);
  const [inviting, setInviting] = useState(false);
  return (
    <Page
      title={query.data?.name || t('own.title')}
      actions={
        query.data && (
          <Button look="primary" icon={Plus} onPress={() => setInviting(true)}>
            {t('own.invite')}
          </Button>
        )
      }
    >
      <QueryView query={query} loading={t('own.loading')}>
        {(organisation) => (
          <div className="flex flex-col gap-4">
            <p className="max-w-prose text-sm text-ink-2">{t('own.text', { name: organisation.name })}</p>
            <div className="grid grid-cols-[minmax(0,5fr)_minmax(260px,2fr)] items-start gap-4 max-lg:grid-cols-1">
              <People organisation={organisation} />
              <Groups permissions={organisation.permissions} />
            </div>
            <InviteDialog roles={organisation.roles} isOpen={inviting} onClose={() => setInviting(false)} />
          </div>
        )}
      </QueryView>
    </Page>
  );
}

function People({ organisation }: { organisation: Organisation }) {
  const t = useWords();
  const { person } = Route.useSearch();
  const navigate = Route.useNavigate();
  const query = useInfiniteQuery(peopleQuery);
  const groups = useQuery(ownGroupsQuery).data ?? [];
  const columns = usePeopleColumns();
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Panel title={t('own.people')} flush>
      <QueryView query={query} loading={t('own.loading')} skeletonRows={4}>
        {() => <Table whole label={t('own.people')} columns={columns} rows={rows} idOf={(one) => one.id} />}
      </QueryView>
      {query.hasNextPage && (
        <div className="border-t border-line p-3">
          <Button onPress={() => void query.fetchNextPage()} isPending={query.isFetchingNextPage}>
            {t('own.more')}
          </Button>
        </div>
      )}
      {person && (
        <PersonDialog
          key={person}
          id={person}
          organisation={organisation}
          groups={groups}
          onClose={() => void navigate({ search: {}, replace: true })}
        />
      )}
    </Panel>
  );
}

function usePeopleColumns(): Column<User>[] {
  const t = useWords();
  const words = useAccessWords();
  return useMemo(
    () => [
      {
        id: 'name',
        header: t('own.name'),
        width: 'minmax(130px, 1.2fr)',
        phone: 'name',
        cell: (one) => (
          <Link to="/organisation" search={{ person: one.id }} className={NAME_LINK}>
            {one.name}
          </Link>
        ),
      },
      {
        id: 'state',
        header: t('own.state'),
        width: '126px',
        phone: 'status',
        cell: (one) => <UserPill user={one} />,
      },
      {
        id: 'email',
        header: t('own.email'),
        width: 'minmax(150px, 1.6fr)',
        hides: 2,
        phone: 'fact',
        cell: (one) => <span title={one.email}>{one.email}</span>,
      },
      {
        id: 'role',
        header: t('own.role'),
        width: 'minmax(150px, 0.9fr)',
        phone: 'fact',
        cell: (one) => words.role(one.role),
      },
      {
        id: 'seen',
        header: t('own.last_seen'),
        width: '116px',
        hides: 1,
        cell: (one) =>
          one.last_sign_in_at ? (
            <Time at={one.last_sign_in_at} as="age" />
          ) : (
            <span className="text-ink-3">{t('own.never')}</span>
          ),
      },
    ],
    [t, words],
  );
}

function Groups({ permissions }: { permissions: readonly string[] }) {
  const t = useWords();
  const words = useAccessWords();
  const query = useQuery(ownGroupsQuery);
  const [open, setOpen] = useState<Group | 'new' | null>(null);
  return (
    <Panel
      title={t('own.groups')}
      actions={
        <Button size="small" icon={Plus} onPress={() => setOpen('new')}>
          {t('own.add_group')}
        </Button>
      }
    >
      <QueryView query={query} loading={t('own.loading')} skeletonRows={2}>
        {(groups) =>
          groups.length === 0 ? (
            <p className="text-sm text-ink-2">{t('own.empty_groups')}</p>
          ) : (
            <ul className="flex flex-col divide-y divide-line">
              {groups.map((group) => (
                <li key={group.id} className="flex flex-col gap-1 py-2 first:pt-0 last:pb-0">
                  <div className="flex flex-wrap items-center justify-between gap-2">
                    <Button size="small" look="quiet" className="-ml-2" onPress={() => setOpen(group)}>
                      {group.name}
                    </Button>
                    <span className="text-xs text-ink-2">{t('own.members', { count: group.members })}</span>
                  </div>
                  <p className="text-xs text-ink-2">
                    {group.permissions.map(words.permission).join(' · ') || '—'}
                  </p>
                </li>
              ))}
            </ul>
          )
        }
      </QueryView>
      {open && (
        <GroupDialog
          group={open === 'new' ? null : open}
          permissions={permissions}
          onClose={() => setOpen(null)}
        />
      )}
    </Panel>
  );
}
