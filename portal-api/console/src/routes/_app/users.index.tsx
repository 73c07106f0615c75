import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Plus, ShieldCheck } from 'lucide-react';
import { useCallback, useMemo } from 'react';
import type { User } from '#/api/types';
import { Permitted } from '#/app/permitted';
import { ROLES, useAccessWords } from '#/features/access/permissions';
import { groupsQuery } from '#/features/groups/queries';
import { useMay } from '#/features/session/queries';
import { PeopleNav } from '#/features/users/people-nav';
import { USER_STATES, type UserFilters, usersQuery } from '#/features/users/queries';
import { UserPill } from '#/features/users/state';
import { compact, isAnySet, oneOf, textParam } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Button, buttonLook } from '#/ui/button';
import { FilterBar } from '#/ui/filter-bar';
import { NAME_LINK } from '#/ui/link';
import { countOf, ListView } from '#/ui/list-view';
import { Page } from '#/ui/page';
import { Search } from '#/ui/search';
import { Select } from '#/ui/select';
import { EmptyState } from '#/ui/states';
import type { Column } from '#/ui/table';
import { Time } from '#/ui/time';

const FACTOR = ['yes', 'no'] as const;

export const Route = createFileRoute('/_app/users/')({
  validateSearch: (search): UserFilters => ({
    q: textParam(search.q),
    role: oneOf(search.role, ROLES),
    state: oneOf(search.state, USER_STATES),
    factor: oneOf(search.factor, FACTOR),
    group: textParam(search.group),
  }),
  component: UsersPage,
});

function UsersPage() {
  const t = useWords();
  return (
    <Permitted needs="users.read" title={t('users.title')}>
      <UsersList />
    </Permitted>
  );
}

function UsersList() {
  const t = useWords();
  const words = useAccessWords();
  const may = useMay();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const query = useInfiniteQuery(usersQuery(search));
  const groups = useQuery(groupsQuery).data?.items ?? [];
  const columns = useUserColumns();
  const set = useCallback(
    (change: UserFilters) =>
      void navigate({ search: (old) => compact({ ...old, ...change }), replace: true }),
    [navigate],
  );
  const find = useCallback((q: string) => set({ q }), [set]);
  const clear = () => void navigate({ search: {}, replace: true });
  const filtered = isAnySet(search);
  const any = { value: '', label: t('filter.any') };
  const invite = may('users.manage') && (
    <Link to="/users/new" className={buttonLook('primary')}>
      <Plus aria-hidden size={16} /> {t('users.invite')}
    </Link>
  );
  const word = query.hasNextPage ? 'users.count_more' : 'users.count';
  return (
    <Page fill title={t('users.title')} actions={invite}>
      <PeopleNav />
      <FilterBar count={countOf(query)} word={word} onClear={filtered ? clear : undefined}>
        <Search
          label={t('users.search')}
          clearLabel={t('filter.clear')}
          value={search.q ?? ''}
          onChange={find}
        />
        <Select
          inline
          label={t('users.role')}
          value={search.role ?? ''}
          onChange={(value) => set({ role: oneOf(value, ROLES) })}
          choices={[any, ...ROLES.map((role) => ({ value: role, label: words.role(role) }))]}
        />
        <Select
          inline
          label={t('users.state')}
          value={search.state ?? ''}
          onChange={(value) => set({ state: oneOf(value, USER_STATES) })}
          choices={[any, ...USER_STATES.map((state) => ({ value: state, label: t(`user_state.${state}`) }))]}
        />
        <Select
          inline
          label={t('users.factor')}
          value={search.factor ?? ''}
          onChange={(value) => set({ factor: oneOf(value, FACTOR) })}
          choices={[any, ...FACTOR.map((value) => ({ value, label: t(`value.${value}`) }))]}
        />
        {groups.length > 0 && (
          <Select
            inline
            label={t('groups.one')}
            value={search.group ?? ''}
            onChange={(value) => set({ group: textParam(value) })}
            choices={[any, ...groups.map((group) => ({ value: group.id, label: group.name }))]}
          />
        )}
      </FilterBar>
      <ListView
        query={query}
        loading={t('users.loading')}
        label={t('users.title')}
        columns={columns}
        idOf={(one) => one.id}
        empty={
          filtered ? (
            <EmptyState
              title={t('filter.nothing')}
              action={<Button onPress={clear}>{t('filter.clear')}</Button>}
            />
          ) : (
            <EmptyState title={t('users.empty')} text={t('users.empty_text')} action={invite} />
          )
        }
      />
    </Page>
  );
}

function useUserColumns(): Column<User>[] {
  const t = useWords();
  const words = useAccessWords();
  return useMemo(
    () => [
      {
        id: 'name',
        header: t('users.name'),
        width: 'minmax(140px, 1.4fr)',
        phone: 'name',
        cell: (one) => (
          <Link to="/users/$id" params={{ id: one.id }} className={NAME_LINK}>
            {one.name}
          </Link>
        ),
      },
      {
        id: 'state',
        header: t('users.state'),
        width: '126px',
        phone: 'status',
        cell: (one) => <UserPill user={one} />,
      },
      {
        id: 'email',
        header: t('users.email'),
        width: 'minmax(150px, 1.8fr)',
        hides: 3,
        phone: 'fact',
        cell: (one) => <span title={one.email}>{one.email}</span>,
      },
      {
        id: 'role',
        header: t('users.role'),
        width: 'minmax(124px, 0.8fr)',
        phone: 'fact',
        cell: (one) => words.role(one.role),
      },
      {
        id: 'groups',
        header: t('groups.title'),
        width: '84px',
        align: 'right',
        hides: 1,
        cell: (one) => (one.groups.length === 0 ? '—' : one.groups.length),
      },
      {
        id: 'factor',
        header: t('users.factor'),
        width: '128px',
        hides: 2,
        cell: (one) =>
          one.has_factor ? (
            <span className="inline-flex items-center gap-1.5">
              <ShieldCheck aria-hidden size={14} className="text-ok" /> {t('value.yes')}
            </span>
          ) : (
            <span className="text-ink-3">{t('value.no')}</span>
          ),
      },
      {
        id: 'seen',
        header: t('users.last_sign_in'),
        width: '116px',
        hides: 3,
        cell: (one) =>
          one.last_sign_in_at ? (
            <Time at={one.last_sign_in_at} as="age" />
          ) : (
            <span className="text-ink-3">{t('users.never')}</span>
          ),
      },
    ],
    [t, words],
  );
}
