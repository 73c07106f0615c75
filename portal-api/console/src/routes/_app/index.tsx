import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Home } from '#/features/home/home';
import { Figures } from '#/features/overview/figures';
import { FlowTable } from '#/features/overview/flow-table';
import { overviewQuery } from '#/features/overview/queries';
import { useRunColumns } from '#/features/runs/run-table';
import { useMay } from '#/features/session/queries';
import { useWords } from '#/lib/words';
import { buttonLook } from '#/ui/button';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { EmptyState } from '#/ui/states';
import { Table } from '#/ui/table';

export const Route = createFileRoute('/_app/')({
  loader: ({ context }) => {
    if (context.session.permissions.includes('hub.read'))
      void context.queryClient.prefetchQuery(overviewQuery);
  },
  component: FirstPage,
});

/** Who may not see the hub as a whole begins with what is theirs. */
function FirstPage() {
  const may = useMay();
  return may('hub.read') ? <OverviewPage /> : <Home />;
}

function OverviewPage() {
  const t = useWords();
  const query = useQuery(overviewQuery);
  const runColumns = useRunColumns();
  return (
    <Page title={t('overview.title')}>
      <QueryView query={query} loading={t('overview.loading')} skeletonRows={10}>
        {(overview) => (
          <>
            <p className="text-2xl font-semibold tracking-[-0.01em] text-balance text-ink">
              {overview.sentence}
            </p>
            <Figures overview={overview} />
            <Panel title={t('flows.title')} flush>
              {overview.flows.length > 0 ? (
                <FlowTable flows={overview.flows} />
              ) : (
                <EmptyState
                  title={t('flows.empty')}
                  text={t('flows.empty_text')}
                  action={
                    <Link to="/connections/new" className={buttonLook('primary')}>
                      {t('connections.add')}
                    </Link>
                  }
                />
              )}
            </Panel>
            <Panel
              title={t('overview.recent')}
              flush
              actions={
                <Link to="/runs" className={`${LINK} text-sm`}>
                  {t('overview.all_runs')}
                </Link>
              }
            >
              {overview.recent_runs.length > 0 ? (
                <Table
                  whole
                  label={t('overview.recent')}
                  columns={runColumns}
                  rows={overview.recent_runs}
                  idOf={(run) => run.id}
                />
              ) : (
                <EmptyState title={t('runs.empty')} text={t('runs.empty_text')} />
              )}
            </Panel>
            <p className="numeric text-xs text-ink-2">
              {t('overview.processes', { count: overview.processes })}
            </p>
          </>
        )}
      </QueryView>
    </Page>
  );
}
