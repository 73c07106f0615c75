import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Pencil, Trash2 } from 'lucide-react';
import { useState } from 'react';
import type { Connection } from '#/api/types';
import { CheckPanel } from '#/features/connections/check-button';
import { EditForm } from '#/features/connections/edit-form';
import { connectionQuery, deleteConnection, systemsQuery } from '#/features/connections/queries';
import { ConnectionPill } from '#/features/connections/state';
import { Streams } from '#/features/connections/streams';
import { Usage } from '#/features/connections/usage';
import { runsQuery } from '#/features/runs/queries';
import { useRunColumns } from '#/features/runs/run-table';
import { May } from '#/features/session/may';
import { useWords, wordFor } from '#/lib/words';
import { Button } from '#/ui/button';
import { Dialog } from '#/ui/dialog';
import { Facts } from '#/ui/facts';
import { Id } from '#/ui/id';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { EmptyState, ErrorState } from '#/ui/states';
import { Table } from '#/ui/table';
import { Time } from '#/ui/time';

export const Route = createFileRoute('/_app/connections/$id')({
  loader: ({ context, params }) => void context.queryClient.prefetchQuery(connectionQuery(params.id)),
  component: ConnectionPage,
});

function ConnectionPage() {
  const t = useWords();
  const { id } = Route.useParams();
  const query = useQuery(connectionQuery(id));
  const connection = query.data;
  return (
    <Page
      key={id}
      title={connection?.name ?? t('connections.one')}
      up={
        <Link to="/connections" className={LINK}>
          {t('connections.title')}
        </Link>
      }
      aside={connection && <ConnectionPill state={connection.state} />}
      actions={
        connection && (
          <May needs="connections.manage">
            <Actions connection={connection} />
          </May>
        )
      }
    >
      <QueryView query={query} loading={t('connections.loading')}>
        {(found) => <ConnectionView connection={found} />}
      </QueryView>
    </Page>
  );
}

function ConnectionView({ connection }: { connection: Connection }) {
  const t = useWords();
  const systems = useQuery(systemsQuery).data;
  const { error, usage } = connection;
  return (
    <>
      <Panel>
        <div className="flex flex-col gap-4">
          <p className="text-base text-ink">{connection.state_sentence}</p>
          {error && (
            <div className="rounded-control bg-bad-soft px-3 py-2 text-sm text-bad-ink">
              <p className="font-medium">
                {wordFor(t, `error_class.${error.kind}`, error.kind)}{' '}
                {error.code && <code className="font-mono text-xs">{error.code}</code>}
              </p>
              <p className="break-words first-letter:uppercase">{error.message}</p>
              <p>
                {t('connections.since')} <Time at={error.at} as="full" />
              </p>
            </div>
          )}
          <May needs="connections.operate">
            <CheckPanel id={connection.id} />
          </May>
          <Facts
            facts={[
              {
                label: t('connections.system'),
                value: systems?.find((one) => one.id === connection.system)?.title ?? connection.system,
              },
              { label: t('connections.checked'), value: <Time at={connection.checked_at} as="full" /> },
              usage != null && { label: t('connections.usage'), value: <Usage {...usage} /> },
              { label: t('connections.created_at'), value: <Time at={connection.created_at} as="full" /> },
              { label: t('connections.id'), value: <Id value={connection.id} /> },
            ]}
          />
        </div>
      </Panel>
      <Streams id={connection.id} />
      <RecentRuns id={connection.id} />
    </>
  );
}

function RecentRuns({ id }: { id: string }) {
  const t = useWords();
  const query = useInfiniteQuery(runsQuery({ connection_id: id }));
  const columns = useRunColumns();
  return (
    <Panel
      title={t('connections.runs')}
      flush
      actions={
        <Link to="/runs" search={{ connection_id: id }} className={`${LINK} text-sm`}>
          {t('overview.all_runs')}
        </Link>
      }
    >
      <QueryView query={query} loading={t('runs.loading')} skeletonRows={4}>
        {(data) => {
          const runs = data.pages[0]?.items.slice(0, 8) ?? [];
          if (runs.length === 0) return <EmptyState title={t('runs.empty')} text={t('runs.empty_text')} />;
          return (
            <Table whole label={t('connections.runs')} columns={columns} rows={runs} idOf={(run) => run.id} />
          );
        }}
      </QueryView>
    </Panel>
  );
}

function Actions({ connection }: { connection: Connection }) {
  const t = useWords();
  const [editing, setEditing] = useState(false);
  const [deleting, setDeleting] = useState(false);
  return (
    <>
      <Button icon={Pencil} onPress={() => setEditing(true)}>
        {t('connections.edit')}
      </Button>
      <Button look="danger" icon={Trash2} onPress={() => setDeleting(true)}>
        {t('connections.delete')}
      </Button>
      <Dialog sheet title={t('connections.edit')} isOpen={editing} onClose={() => setEditing(false)}>
        <EditForm connection={connection} onDone={() => setEditing(false)} />
      </Dialog>
      <Dialog
        title={t('connections.delete_named', { name: connection.name })}
        isOpen={deleting}
        onClose={() => setDeleting(false)}
      >
        <DeleteForm connection={connection} onCancel={() => setDeleting(false)} />
      </Dialog>
    </>
  );
}

function DeleteForm({ connection, onCancel }: { connection: Connection; onCancel: () => void }) {
  const t = useWords();
  const client = useQueryClient();
  const navigate = Route.useNavigate();
  const remove = useMutation({
    mutationFn: () => deleteConnection(connection),
    onSuccess: async () => {
      await navigate({ to: '/connections' });
      await client.invalidateQueries({ queryKey: ['connections'] });
    },
  });
  return (
    <div className="flex flex-col gap-4">
      <p className="text-sm text-ink-2">{t('connections.delete_text')}</p>
      {remove.error && <ErrorState compact error={remove.error} />}
      <div className="flex justify-end gap-2">
        <Button look="quiet" onPress={onCancel}>
          {t('ui.cancel')}
        </Button>
        <Button look="danger" onPress={() => remove.mutate()} isPending={remove.isPending}>
          {t('connections.delete_named', { name: connection.name })}
        </Button>
      </div>
    </div>
  );
}
