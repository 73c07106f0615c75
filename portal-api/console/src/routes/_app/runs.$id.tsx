import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { RotateCcw, Square } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import type { Run } from '#/api/types';
import { Counts } from '#/features/runs/counts';
import { HeldBy } from '#/features/runs/held-by';
import { cancelRun, childrenQuery, retryRun, runQuery } from '#/features/runs/queries';
import { useRunColumns } from '#/features/runs/run-table';
import { canCancel, canRetry, isOver, RUN_STATUS } from '#/features/runs/state';
import { StepDetail } from '#/features/runs/step-detail';
import { Waterfall } from '#/features/runs/waterfall';
import { useMay } from '#/features/session/queries';
import { formatDuration } from '#/lib/format';
import { useKeys } from '#/lib/keys';
import { useNow } from '#/lib/now';
import { useWords, wordFor } from '#/lib/words';
import { Button } from '#/ui/button';
import { Facts } from '#/ui/facts';
import { Id } from '#/ui/id';
import { JsonView } from '#/ui/json-view';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { Progress } from '#/ui/progress';
import { QueryView } from '#/ui/query-view';
import { EmptyState } from '#/ui/states';
import { StatusPill } from '#/ui/status-pill';
import { Table } from '#/ui/table';
import { Time } from '#/ui/time';
import { toast } from '#/ui/toast';

export const Route = createFileRoute('/_app/runs/$id')({
  validateSearch: (search): { step?: number } => ({
    step: Number.isInteger(search.step) ? Number(search.step) : undefined,
  }),
  loader: ({ context, params }) => void context.queryClient.prefetchQuery(runQuery(params.id)),
  component: RunPage,
});

function RunPage() {
  const t = useWords();
  const { id } = Route.useParams();
  const query = useQuery(runQuery(id));
  const run = query.data;
  const title = run
    ? `${wordFor(t, `workflow.${run.workflow}`, run.workflow)} · ${run.subject}`
    : t('runs.run');
  return (
    <Page
      key={id}
      title={title}
      up={
        <Link to="/runs" className={LINK}>
          {t('runs.title')}
        </Link>
      }
      aside={
        run && (
          <StatusPill status={RUN_STATUS[run.state]}>
            {wordFor(t, `run_state.${run.state}`, run.state)}
          </StatusPill>
        )
      }
      actions={run && <Actions run={run} />}
    >
      <QueryView query={query} loading={t('run.loading')}>
        {(found) => <RunView run={found} />}
      </QueryView>
    </Page>
  );
}

function Actions({ run }: { run: Run }) {
  const t = useWords();
  const client = useQueryClient();
  const done = (text: string) => () => {
    toast({ text });
    void client.invalidateQueries({ queryKey: ['runs'] });
  };
  const failed = (error: Error) => toast({ text: error.message, bad: true });
  const retry = useMutation({
    mutationFn: () => retryRun(run.id),
    onSuccess: done(t('run.retried')),
    onError: failed,
  });
  const cancel = useMutation({
    mutationFn: () => cancelRun(run.id),
    onSuccess: done(t('run.cancelling')),
    onError: failed,
  });
  const may = useMay()('runs.operate');
  const mayRetry = may && canRetry(run.state) && !retry.isPending;
  useKeys({
    r: () => mayRetry && retry.mutate(),
    y: () => void navigator.clipboard.writeText(run.id).then(() => toast({ text: t('ui.copied') })),
  });
  return (
    <>
      {may && canRetry(run.state) && (
        <Button look="primary" icon={RotateCcw} onPress={() => retry.mutate()} isDisabled={retry.isPending}>
          {t('run.retry')}
        </Button>
      )}
      {may && canCancel(run.state) && (
        <Button look="danger" icon={Square} onPress={() => cancel.mutate()} isDisabled={cancel.isPending}>
          {t('run.cancel')}
        </Button>
      )}
    </>
  );
}

function RunView({ run }: { run: Run }) {
  const t = useWords();
  const over = isOver(run.state);
  const now = useNow(over ? null : 500);
  const started = run.started_at ? Date.parse(run.started_at) : null;
  const took = started === null ? null : (run.finished_at ? Date.parse(run.finished_at) : now) - started;
  return (
    <>
      <EndNotice run={run} />
      <Facts
        facts={[
          { label: t('run.id'), value: <Id value={run.id} /> },
          { label: t('runs.trigger'), value: wordFor(t, `trigger.${run.trigger}`, run.trigger) },
          run.connection_id != null && {
            label: t('runs.connection'),
            value: (
              <Link to="/connections/$id" params={{ id: run.connection_id }} className={LINK}>
                {run.subject.split(' · ')[0]}
              </Link>
            ),
          },
          (started === null || started - Date.parse(run.created_at) >= 1_000) && {
            label: t('runs.created'),
            value: <Time at={run.created_at} as="full" />,
          },
          { label: t('runs.started'), value: <Time at={run.started_at} as="full" /> },
          { label: t('runs.finished'), value: <Time at={run.finished_at} as="full" /> },
          { label: t('runs.took'), value: took === null ? '—' : formatDuration(took) },
          { label: t('runs.attempt'), value: run.attempt },
          { label: t('run.version'), value: run.version },
          run.due_at != null &&
            !over && { label: t('run.due'), value: <Time at={run.due_at} as="age" now={now} /> },
          run.parent_id != null && {
            label: t('run.parent'),
            value: (
              <Link to="/runs/$id" params={{ id: run.parent_id }} className={LINK}>
                {t('run.open_parent')}
              </Link>
            ),
          },
        ]}
      />
      <HeldBy run={run} />
      {run.error && (
        <div className="rounded-panel border border-bad bg-bad-soft px-4 py-3 text-bad-ink">
          <p className="font-medium">{wordFor(t, `error_class.${run.error.class}`, run.error.class)}</p>
          <p className="text-sm break-words first-letter:uppercase">{run.error.message}</p>
          <p className="mt-1 text-sm">{wordFor(t, `who.${run.error.who}`, '')}</p>
        </div>
      )}
      {run.progress && !over && (
        <Progress
          label={t('run.progress')}
          text={
            run.progress.total == null
              ? t('runs.progress', { done: run.progress.done, unit: run.progress.unit })
              : t('runs.progress_of', {
                  done: run.progress.done,
                  total: run.progress.total,
                  unit: run.progress.unit,
                })
          }
          done={run.progress.done}
          total={run.progress.total}
        />
      )}
      {run.counts && <Counts counts={run.counts} />}
      <Steps run={run} now={now} />
      {run.children > 0 && <Children id={run.id} count={run.children} />}
      <Panel title={t('run.input_output')}>
        <div className="grid grid-cols-2 gap-4 max-md:grid-cols-1">
          <Data label={t('run.input')} value={run.input} />
          <Data label={t('run.output')} value={run.output} />
        </div>
      </Panel>
    </>
  );
}

/** Screen readers hear that a run they watched has ended, and nothing of the way there. */
function EndNotice({ run }: { run: Run }) {
  const t = useWords();
  const watched = useRef(!isOver(run.state));
  const [said, setSaid] = useState('');
  useEffect(() => {
    if (!isOver(run.state)) watched.current = true;
    else if (watched.current) setSaid(t('run.ended', { state: t(`run_state.${run.state}`) }));
  }, [run.state, t]);
  return (
    <p aria-live="polite" className="sr-only">
      {said}
    </p>
  );
}

function Steps({ run, now }: { run: Run; now: number }) {
  const t = useWords();
  const { step } = Route.useSearch();
  const navigate = Route.useNavigate();
  const chosen =
    run.steps.find((one) => one.seq === step) ??
    run.steps.find((one) => one.state === 'failed') ??
    run.steps.at(-1);
  if (run.steps.length === 0) {
    return (
      <Panel title={t('run.steps')} flush>
        <EmptyState
          title={t('run.no_steps')}
          text={t(isOver(run.state) ? 'run.no_steps_over' : 'run.no_steps_yet')}
        />
      </Panel>
    );
  }
  return (
    <div className="grid grid-cols-[minmax(0,1fr)_420px] items-start gap-4 max-lg:grid-cols-1">
      <Panel title={t('run.steps')} flush>
        <Waterfall
          run={run}
          now={now}
          selected={chosen?.seq ?? null}
          onSelect={(seq) => void navigate({ search: { step: seq }, replace: true, resetScroll: false })}
        />
      </Panel>
      <Panel title={t('run.chosen')}>{chosen && <StepDetail step={chosen} />}</Panel>
    </div>
  );
}

function Children({ id, count }: { id: string; count: number }) {
  const t = useWords();
  const query = useInfiniteQuery(childrenQuery(id));
  const columns = useRunColumns();
  return (
    <Panel title={t('run.children', { count })} flush>
      <QueryView query={query} loading={t('runs.loading')}>
        {(data) => (
          <Table
            whole
            label={t('run.children', { count })}
            columns={columns}
            rows={data.pages.flatMap((page) => page.items)}
            idOf={(run) => run.id}
            hasMore={query.hasNextPage}
            isLoadingMore={query.isFetchingNextPage}
            onMore={() => void query.fetchNextPage()}
          />
        )}
      </QueryView>
    </Panel>
  );
}

function Data({ label, value }: { label: string; value: unknown }) {
  const t = useWords();
  return (
    <div className="min-w-0">
      <h3 className="mb-1 text-xs font-medium text-ink-2">{label}</h3>
      {value == null ? (
        <p className="text-sm text-ink-2">{t('run.nothing')}</p>
      ) : (
        <JsonView label={t('run.data_of', { what: label })} value={value} />
      )}
    </div>
  );
}
