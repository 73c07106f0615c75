import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { CircleCheck } from 'lucide-react';
import { useMemo, useState } from 'react';
import { toProblem } from '#/api/problem';
import type { AccountRow, AssignmentOrder, AssignmentPlan } from '#/api/types';
import { useStepUp } from '#/features/factors/step-up';
import { accountsQuery, catalogueQuery } from '#/features/records/queries';
import { oneOf } from '#/lib/search';
import '#/features/teams/words';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { CheckBox } from '#/ui/check-box';
import { LINK } from '#/ui/link';
import { countOf } from '#/ui/list-view';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { Search } from '#/ui/search';
import { Select } from '#/ui/select';
import { EmptyState } from '#/ui/states';
import { type Column, Table } from '#/ui/table';
import { useShortColumns } from './held-accounts';
import { HolderPicker, useHolderName } from './holders';
import { DEEDS, type Deed, type Filters, lackOf, orderOf, WAYS, type Way, type Wish } from './order';
import { PlanDialog } from './plan-dialog';
import { carryOut, planOrder } from './queries';

export type TransferSearch = Filters & { deed?: Deed; way?: Way; from?: string; to?: string };

type Props = { search: TransferSearch; onSearch: (change: TransferSearch) => void };

/** Many accounts at once, from one to another: what is planned is shown with its count, then it is done or not. */
export function Transfer({ search, onSearch }: Props) {
  const t = useWords();
  const client = useQueryClient();
  const { guard, dialog } = useStepUp();
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set());
  const { deed = 'transfer', way = 'match', from = '', to = '', ...filters } = search;
  const wish: Wish = { deed, way, from, to, filters, ticked: [...ticked] };
  const lack = lackOf(wish);
  const names = { from: useHolderName(from) ?? '', to: useHolderName(to) ?? '' };
  const plan = useMutation({ mutationFn: planOrder });
  const done = useMutation({
    mutationFn: guard<AssignmentOrder, AssignmentPlan>(carryOut),
    onSuccess: async () => {
      plan.reset();
      setTicked(new Set());
      for (const key of ['accounts', 'teams', 'partners', 'users'])
        await client.invalidateQueries({ queryKey: [key] });
    },
  });
  const change = (next: TransferSearch) => {
    done.reset();
    onSearch(next);
  };
  const order = orderOf(wish);
  return (
    <>
      {done.data && <Result plan={done.data} deed={deed} names={names} to={to} />}
      <Panel title={t('transfer.who')}>
        <div className="grid grid-cols-3 gap-4 max-lg:grid-cols-2 max-sm:grid-cols-1">
          <Select
            label={t('transfer.deed')}
            help={t(`transfer_help.${deed}`)}
            value={deed}
            onChange={(value) => change({ deed: oneOf(value, DEEDS) })}
            choices={DEEDS.map((one) => ({ value: one, label: t(`transfer_deed.${one}`) }))}
          />
          {deed !== 'assign' && (
            <HolderPicker
              label={t('transfer.from')}
              value={from}
              onChange={(value) => change({ from: value })}
              without={[to]}
            />
          )}
          {deed !== 'end' && (
            <HolderPicker
              label={t('transfer.to')}
              value={to}
              onChange={(value) => change({ to: value })}
              without={[from]}
            />
          )}
        </div>
      </Panel>
      <Panel
        title={t('transfer.which')}
        flush
        actions={
          <Select
            inline
            label={t('transfer.way')}
            value={way}
            onChange={(value) => change({ way: oneOf(value, WAYS) })}
            choices={WAYS.map((one) => ({ value: one, label: t(`transfer_way.${one}`) }))}
          />
        }
      >
        <Accounts
          key={`${deed} ${from}`}
          filters={filters}
          holder={deed === 'assign' ? null : from}
          onFilter={change}
          ticked={way === 'ticked' ? ticked : null}
          onTick={(next) => {
            done.reset();
            setTicked(next);
          }}
        />
      </Panel>
      <div className="sticky bottom-0 z-10 -mx-1 flex flex-wrap items-center gap-3 border-t border-line bg-canvas px-1 py-3">
        <Button
          look="primary"
          onPress={() => plan.mutate(order)}
          isPending={plan.isPending}
          isDisabled={lack !== null}
        >
          {t('transfer.plan')}
        </Button>
        <p role="status" className="text-sm text-ink-2">
          {lack
            ? t(`transfer_lack.${lack}`)
            : way === 'ticked' && t('transfer.ticked', { count: ticked.size })}
        </p>
      </div>
      <PlanDialog
        deed={deed}
        names={names}
        plan={plan.data ?? null}
        isPending={done.isPending}
        error={plan.error ?? done.error}
        isStale={done.error !== null && toProblem(done.error).slug === 'stale'}
        onAgain={() => {
          done.reset();
          plan.mutate(order);
        }}
        onConfirm={(digest) => done.mutate({ ...order, digest })}
        onClose={() => {
          plan.reset();
          done.reset();
        }}
      />
      {dialog}
    </>
  );
}

type ResultProps = {
  plan: AssignmentPlan;
  deed: Deed;
  names: { from: string; to: string };
  to: string;
};

/** What was done, where the work is. */
function Result({ plan, deed, names, to }: ResultProps) {
  const t = useWords();
  return (
    <p
      role="status"
      className="flex flex-wrap items-center gap-2 rounded-control bg-ok-soft p-3 text-sm text-ok-ink"
    >
      <CircleCheck aria-hidden size={16} className="shrink-0 text-ok" />
      {t(`transfer_done.${deed}`, { count: plan.accounts, ...names })}
      {deed !== 'end' && (
        <Link to="/accounts" search={{ assigned_to: to }} className={LINK}>
          {t('transfer.see')}
        </Link>
      )}
    </p>
  );
}

type AccountsProps = {
  filters: Filters;
  /** Whose accounts; the empty text while nobody is chosen, `null` for those of all. */
  holder: string | null;
  onFilter: (change: Filters) => void;
  /** Those that were ticked; `null` where all that match are meant. */
  ticked: ReadonlySet<string> | null;
  onTick: (ticked: ReadonlySet<string>) => void;
};

function Accounts({ filters, holder, onFilter, ticked, onTick }: AccountsProps) {
  const t = useWords();
  const fields = useQuery(catalogueQuery('accounts')).data;
  const query = useInfiniteQuery({
    ...accountsQuery({ ...filters, assigned_to: holder ?? undefined, sort: 'name' }),
    enabled: holder !== '',
  });
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const short = useShortColumns();
  const columns = useMemo((): Column<AccountRow>[] => {
    if (!ticked) return short;
    const box: Column<AccountRow> = {
      id: 'ticked',
      header: t('transfer.chosen'),
      width: '84px',
      phone: 'status',
      cell: (one) => (
        <CheckBox
          bare
          label={t('transfer.tick', { name: one.name })}
          value={ticked.has(one.id)}
          onChange={(on) => {
            const next = new Set(ticked);
            if (on) next.add(one.id);
            else next.delete(one.id);
            onTick(next);
          }}
        />
      ),
    };
    return [box, ...short];
  }, [ticked, onTick, short, t]);
  const count = countOf(query);
  if (holder === '') return <EmptyState title={t('transfer.from_first')} text={t('transfer.from_text')} />;
  const choices = (name: string) => [
    { value: '', label: t('filter.any') },
    ...(fields?.find((field) => field.name === name)?.choices ?? []).map((one) => ({
      value: one,
      label: one,
    })),
  ];
  return (
    <>
      <div
        role="search"
        aria-label={t('filter.label')}
        className="flex flex-wrap items-center gap-x-3 gap-y-2 border-b border-line px-4 py-3"
      >
        <Search
          label={t('accounts.search')}
          clearLabel={t('filter.clear')}
          value={filters.q ?? ''}
          onChange={(q) => onFilter({ q })}
        />
        {(['industry', 'tier', 'type'] as const).map(
          (name) =>
            choices(name).length > 1 && (
              <Select
                key={name}
                inline
                label={t(`accounts.${name}`)}
                value={filters[name] ?? ''}
                onChange={(value) => onFilter({ [name]: value })}
                choices={choices(name)}
              />
            ),
        )}
        {ticked && rows.length > 0 && (
          <Button size="small" onPress={() => onTick(new Set([...ticked, ...rows.map((one) => one.id)]))}>
            {t('transfer.tick_all', { count: rows.length })}
          </Button>
        )}
        {ticked && ticked.size > 0 && (
          <Button size="small" look="quiet" onPress={() => onTick(new Set())}>
            {t('transfer.tick_none')}
          </Button>
        )}
        <p aria-live="polite" className="numeric ml-auto text-sm text-ink-2">
          {count !== undefined && t('accounts.count', { count })}
        </p>
      </div>
      <QueryView query={query} loading={t('accounts.loading')} skeletonRows={6}>
        {() =>
          rows.length === 0 ? (
            <EmptyState title={t('filter.nothing')} text={t('transfer.none')} />
          ) : (
            <Table
              whole
              label={t('transfer.which')}
              columns={columns}
              rows={rows}
              idOf={(one) => one.id}
              total={query.data?.pages[0]?.total}
              hasMore={query.hasNextPage}
              isLoadingMore={query.isFetchingNextPage}
              onMore={() => void query.fetchNextPage()}
            />
          )
        }
      </QueryView>
    </>
  );
}
