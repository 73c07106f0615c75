import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { Download, Radar } from 'lucide-react';
import { useState } from 'react';
import type { ConnectionStream, Stream } from '#/api/types';
import { May } from '#/features/session/may';
import { useMay } from '#/features/session/queries';
import { formatNumber } from '#/lib/format';
import { useWords, wordFor } from '#/lib/words';
import { Button } from '#/ui/button';
import { CheckBox } from '#/ui/check-box';
import { Dialog } from '#/ui/dialog';
import { LINK } from '#/ui/link';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { Select } from '#/ui/select';
import { EmptyState, ErrorState } from '#/ui/states';
import { Time } from '#/ui/time';
import { toast } from '#/ui/toast';
import { discover, pull, setStream, streamsQuery } from './queries';

const ENTITIES = ['account', 'contact'] as const;

/** What this connection reads and writes: discover, choose, pull. */
export function Streams({ id }: { id: string }) {
  const t = useWords();
  const may = useMay();
  const [choosing, setChoosing] = useState(false);
  const query = useQuery(streamsQuery(id));
  const found = useMutation({ mutationFn: () => discover(id), onSuccess: () => setChoosing(true) });
  // What is found is there to be chosen from, which takes more than asking.
  const look = may('connections.operate') && may('connections.manage') && (
    <Button icon={Radar} size="small" onPress={() => found.mutate()} isPending={found.isPending}>
      {found.isPending ? t('streams.discovering') : t('streams.discover')}
    </Button>
  );
  const streams = query.data ?? [];
  return (
    <Panel title={t('streams.title')} flush actions={look}>
      {found.error && (
        <div className="p-4">
          <ErrorState compact error={found.error} />
        </div>
      )}
      <QueryView query={query} loading={t('streams.loading')} skeletonRows={3}>
        {(all) =>
          all.length === 0 ? (
            <EmptyState title={t('streams.empty')} text={t('streams.empty_text')} action={look} />
          ) : (
            <ul>
              {all.map((stream) => (
                <StreamRow key={stream.stream} id={id} stream={stream} />
              ))}
            </ul>
          )
        }
      </QueryView>
      <Dialog sheet title={t('streams.choose')} isOpen={choosing} onClose={() => setChoosing(false)}>
        <ul className="flex flex-col">
          {(found.data ?? []).map((stream) => (
            <Offer
              key={stream.name}
              id={id}
              stream={stream}
              current={streams.find((one) => one.stream === stream.name)}
            />
          ))}
        </ul>
      </Dialog>
    </Panel>
  );
}

function StreamRow({ id, stream }: { id: string; stream: ConnectionStream }) {
  const t = useWords();
  const may = useMay();
  const change = useStreamChange(id);
  const navigate = useNavigate();
  const start = useMutation({
    mutationFn: (full: boolean) => pull(id, stream.stream, full),
    onSuccess: ({ run_id }) => navigate({ to: '/runs/$id', params: { id: run_id } }),
    onError: (error) => toast({ text: error.message, bad: true }),
  });
  return (
    <li className="grid grid-cols-[minmax(180px,1fr)_minmax(200px,2fr)_auto] items-center gap-x-6 gap-y-2 border-b border-line px-4 py-3 last:border-0 max-md:grid-cols-1">
      <div className="min-w-0">
        <CheckBox
          label={stream.stream}
          value={stream.enabled}
          isDisabled={change.isPending || !may('connections.manage')}
          onChange={(enabled) =>
            change.mutate({
              id,
              stream: stream.stream,
              version: stream.version,
              enabled,
              entity: stream.entity,
            })
          }
        />
        <p className="pl-6 text-xs text-ink-2">
          {wordFor(t, `entity.${stream.entity}`, stream.entity)}
          {stream.mapping_id && (
            <>
              {' · '}
              <Link to="/mappings/$id" params={{ id: stream.mapping_id }} className={LINK}>
                {stream.mapping_version
                  ? t('streams.mapping', { version: stream.mapping_version })
                  : t('streams.mapping_draft')}
              </Link>
            </>
          )}
        </p>
      </div>
      <div className="min-w-0 text-sm">
        <p className="text-ink">{stream.sentence}</p>
        <p className="numeric text-xs text-ink-2">
          {t('streams.records', { count: stream.records })}
          {stream.excluded > 0 && ` · ${t('streams.excluded', { count: stream.excluded })}`} ·{' '}
          {wordFor(t, `phase.${stream.phase}`, stream.phase)}
          {stream.last_read_at && (
            <>
              {' · '}
              <Time at={stream.last_read_at} as="age" />
            </>
          )}
        </p>
      </div>
      <May needs="connections.operate">
        <div className="flex gap-2">
          <Button
            size="small"
            icon={Download}
            isDisabled={!stream.enabled || start.isPending}
            onPress={() => start.mutate(false)}
            aria-label={t('streams.pull_named', { stream: stream.stream })}
          >
            {t('streams.pull')}
          </Button>
          <Button
            size="small"
            look="quiet"
            isDisabled={!stream.enabled || start.isPending}
            onPress={() => start.mutate(true)}
            aria-label={t('streams.full_named', {
              stream: stream.stream,
              count: formatNumber(stream.records),
            })}
          >
            {t('streams.full')}
          </Button>
        </div>
      </May>
    </li>
  );
}

/** A stream the system has, with the entity it would fill. */
function Offer({
  id,
  stream,
  current,
}: {
  id: string;
  stream: Stream;
  current: ConnectionStream | undefined;
}) {
  const t = useWords();
  const change = useStreamChange(id);
  const guess = ENTITIES.find((entity) => stream.name.toLowerCase().includes(entity)) ?? ENTITIES[0];
  const [entity, setEntity] = useState<string>(current?.entity ?? guess);
  return (
    <li className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1 border-b border-line py-2 last:border-0">
      <div className="min-w-0">
        <CheckBox
          label={stream.label}
          value={current?.enabled ?? false}
          isDisabled={change.isPending}
          onChange={(enabled) =>
            change.mutate({ id, stream: stream.name, version: current?.version, enabled, entity })
          }
        />
        <p className="pl-6 text-xs text-ink-2">
          {t('streams.fields', { name: stream.name, count: stream.fields.length })}
        </p>
      </div>
      <Select
        inline
        label={t('streams.fills')}
        value={entity}
        onChange={(next) => {
          setEntity(next);
          if (current)
            change.mutate({
              id,
              stream: stream.name,
              version: current.version,
              enabled: current.enabled,
              entity: next,
            });
        }}
        choices={ENTITIES.map((name) => ({ value: name, label: t(`entity.${name}`) }))}
      />
    </li>
  );
}

function useStreamChange(id: string) {
  const t = useWords();
  const client = useQueryClient();
  return useMutation({
    mutationFn: setStream,
    onSuccess: (stream) =>
      toast({ text: t(stream.enabled ? 'streams.on' : 'streams.off', { stream: stream.stream }) }),
    onError: (error) => toast({ text: error.message, bad: true }),
    onSettled: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: ['connections', 'streams', id] }),
        client.invalidateQueries({ queryKey: ['overview'] }),
      ]),
  });
}
