import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Plus } from 'lucide-react';
import { useCallback } from 'react';
import type { Key } from '#/api/types';
import { Permitted } from '#/app/permitted';
import { KeyPill } from '#/features/keys/key-pill';
import { isOver, KEY_STATES, type KeyState, keyState, keysQuery } from '#/features/keys/queries';
import { useMay } from '#/features/session/queries';
import { userNamesQuery } from '#/features/users/queries';
import { formatNumber } from '#/lib/format';
import { compact, isAnySet, oneOf, textParam } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Button, buttonLook } from '#/ui/button';
import { FilterBar } from '#/ui/filter-bar';
import { NAME_LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { QueryView } from '#/ui/query-view';
import { Search } from '#/ui/search';
import { Select } from '#/ui/select';
import { EmptyState } from '#/ui/states';
import { type Column, Table } from '#/ui/table';
import { Time } from '#/ui/time';

const STATES = ['usable', ...KEY_STATES] as const;

type KeyFilters = { q?: string; state?: (typeof STATES)[number] };

export const Route = createFileRoute('/_app/keys/')({
  validateSearch: (search): KeyFilters => ({
    q: textParam(search.q),
    state: oneOf(search.state, STATES),
  }),
  component: KeysPage,
});

function KeysPage() {
  const t = useWords();
  return (
    <Permitted needs="keys.manage" title={t('keys_page.title')}>
      <KeysList />
    </Permitted>
  );
}

function fits(key: Key, { q = '', state }: KeyFilters): boolean {
  const now: KeyState = keyState(key);
  const named = [key.name, key.shown].some((text) => text.toLowerCase().includes(q.toLowerCase()));
  return named && (state === undefined || state === now || (state === 'usable' && !isOver(now)));
}

function KeysList() {
  const t = useWords();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const query = useQuery(keysQuery);
  const rows = query.data?.items.filter((key) => fits(key, search));
  const columns = useKeyColumns();
  const set = useCallback(
    (change: KeyFilters) => void navigate({ search: (old) => compact({ ...old, ...change }), replace: true }),
    [navigate],
  );
  const find = useCallback((q: string) => set({ q }), [set]);
  const clear = () => void navigate({ search: {}, replace: true });
  const filtered = isAnySet(search);
  const add = (
    <Link to="/keys/new" className={buttonLook('primary')}>
      <Plus aria-hidden size={16} /> {t('keys_page.add')}
    </Link>
  );
  return (
    <Page fill title={t('keys_page.title')} actions={add}>
      <FilterBar count={rows?.length} word="keys_page.count" onClear={filtered ? clear : undefined}>
        <Search
          label={t('keys_page.search')}
          clearLabel={t('filter.clear')}
          value={search.q ?? ''}
          onChange={find}
        />
        <Select
          inline
          label={t('keys_page.state')}
          value={search.state ?? ''}
          onChange={(value) => set({ state: oneOf(value, STATES) })}
          choices={[
            { value: '', label: t('filter.any') },
            ...STATES.map((state) => ({ value: state, label: t(`key_state.${state}`) })),
          ]}
        />
      </FilterBar>
      <div className="relative flex min-h-0 flex-1 flex-col overflow-hidden rounded-panel border border-line bg-surface">
        <QueryView query={query} loading={t('keys_page.loading')} skeletonRows={8}>
          {() =>
            rows === undefined || rows.length === 0 ? (
              filtered ? (
                <EmptyState
                  title={t('filter.nothing')}
                  action={<Button onPress={clear}>{t('filter.clear')}</Button>}
                />
              ) : (
                <EmptyState title={t('keys_page.empty')} text={t('keys_page.empty_text')} action={add} />
              )
            ) : (
              <Table
                label={t('keys_page.title')}
                columns={columns}
                rows={rows}
                idOf={(key) => key.id}
                total={rows.length}
              />
            )
          }
        </QueryView>
      </div>
    </Page>
  );
}

function useKeyColumns(): Column<Key>[] {
  const t = useWords();
  const may = useMay();
  const users = useQuery({ ...userNamesQuery(''), enabled: may('users.read') }).data ?? [];
  return [
    {
      id: 'name',
      header: t('keys_page.name'),
      width: 'minmax(140px, 1.4fr)',
      phone: 'name',
      cell: (key) => (
        <Link to="/keys/$id" params={{ id: key.id }} className={NAME_LINK}>
          {key.name}
        </Link>
      ),
    },
    {
      id: 'state',
      header: t('keys_page.state'),
      width: '140px',
      phone: 'status',
      cell: (key) => <KeyPill of={key} />,
    },
    {
      id: 'shown',
      header: t('keys_page.shown'),
      width: '148px',
      hides: 2,
      cell: (key) => <code className="font-mono text-xs">{key.shown}…</code>,
    },
    {
      id: 'permissions',
      header: t('access.permissions'),
      width: 'minmax(120px, 1.8fr)',
      hides: 3,
      cell: (key) => <span title={key.permissions.join('\n')}>{key.permissions.join(', ') || '—'}</span>,
    },
    {
      id: 'owner',
      header: t('keys_page.owner'),
      width: 'minmax(110px, 1fr)',
      hides: 1,
      cell: (key) => users.find((user) => user.id === key.user_id)?.name ?? '—',
    },
    {
      id: 'limit',
      header: t('keys_page.per_minute'),
      width: '128px',
      align: 'right',
      hides: 1,
      cell: (key) => formatNumber(key.calls_per_minute),
    },
    {
      id: 'used',
      header: t('keys_page.used'),
      width: '116px',
      phone: 'fact',
      cell: (key) =>
        key.last_used_at ? (
          <Time at={key.last_used_at} as="age" />
        ) : (
          <span className="text-ink-3">{t('keys_page.never_used')}</span>
        ),
    },
    {
      id: 'expires',
      header: t('keys_page.expires'),
      width: '116px',
      phone: 'fact',
      cell: (key) =>
        key.expires_at ? (
          <Time at={key.expires_at} as="age" />
        ) : (
          <span className="text-ink-3">{t('keys_page.never')}</span>
        ),
    },
  ];
}
