import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { CircleCheck } from 'lucide-react';
import { lazy, Suspense, useState } from 'react';
import { toProblem } from '#/api/problem';
import type { AssignmentOrder, AssignmentPlan } from '#/api/types';
import { useStepUp } from '#/features/factors/step-up';
import { oneOf } from '#/lib/search';
import '#/features/teams/words';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { LINK } from '#/ui/link';
import { Panel } from '#/ui/panel';
import { Select } from '#/ui/select';
import { Skeleton } from '#/ui/skeleton';
import { HolderPicker, useHolderName } from './holders';
import { DEEDS, type Deed, type Filters, lackOf, orderOf, WAYS, type Way, type Wish } from './order';
import { PlanDialog } from './plan-dialog';
import { carryOut, planOrder } from './queries';

// The list is long work: the choice of who stands before it comes.
const Accounts = lazy(async () => ({ default: (await import('./transfer-accounts')).TransferAccounts }));

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
    // Those of somebody else are none of the list that comes.
    if ('deed' in next || 'from' in next) setTicked(new Set());
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
        <Suspense fallback={<Skeleton label={t('accounts.loading')} />}>
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
        </Suspense>
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
