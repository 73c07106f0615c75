import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Play, SkipForward, Trash2 } from 'lucide-react';
import { useState } from 'react';
import type { Schedule } from '#/api/types';
import { connectionNamesQuery } from '#/features/connections/queries';
import { NextTimes } from '#/features/schedules/next-times';
import { deleteSchedule, editSchedule, runNow, scheduleQuery, skipNext } from '#/features/schedules/queries';
import { ScheduleForm, type ScheduleInput } from '#/features/schedules/schedule-form';
import { SchedulePill } from '#/features/schedules/schedule-pill';
import { May } from '#/features/session/may';
import { useMay } from '#/features/session/queries';
import { useWords, wordFor } from '#/lib/words';
import { Button } from '#/ui/button';
import { Dialog } from '#/ui/dialog';
import { Facts } from '#/ui/facts';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { ErrorState } from '#/ui/states';
import { Time } from '#/ui/time';
import { toast } from '#/ui/toast';

export const Route = createFileRoute('/_app/schedules/$id')({
  loader: ({ context, params }) => void context.queryClient.prefetchQuery(scheduleQuery(params.id)),
  component: SchedulePage,
});

function SchedulePage() {
  const t = useWords();
  const { id } = Route.useParams();
  const query = useQuery(scheduleQuery(id));
  const schedule = query.data;
  return (
    <Page
      key={id}
      title={schedule?.name ?? t('schedules.one')}
      up={
        <Link to="/schedules" className={LINK}>
          {t('schedules.title')}
        </Link>
      }
      aside={schedule && <SchedulePill schedule={schedule} />}
      actions={schedule && <Actions schedule={schedule} />}
    >
      <QueryView query={query} loading={t('schedules.loading')}>
        {(found) => <ScheduleView key={found.version} schedule={found} />}
      </QueryView>
    </Page>
  );
}

function ScheduleView({ schedule }: { schedule: Schedule }) {
  const t = useWords();
  const may = useMay();
  const client = useQueryClient();
  const connection = useQuery(connectionNamesQuery).data?.find((one) => one.id === schedule.connection_id);
  const { last_at, last_run_id } = schedule;
  async function save({ connection_id: _, stream: __, ...change }: ScheduleInput) {
    const saved = await editSchedule(schedule, change);
    toast({ text: t('schedules.saved') });
    client.setQueryData(scheduleQuery(schedule.id).queryKey, saved);
    void client.invalidateQueries({ queryKey: ['schedules', 'list'] });
    return saved;
  }
  return (
    <div className="grid grid-cols-[minmax(0,2fr)_minmax(300px,1fr)] items-start gap-4 max-lg:grid-cols-1">
      <Panel title={t('schedules.settings')}>
        <ScheduleForm
          schedule={inputOf(schedule)}
          mayEdit={may('schedules.manage')}
          submit={t('ui.save')}
          save={save}
        />
      </Panel>
      <Panel
        title={t('schedules.next_five')}
        actions={
          <May needs="schedules.operate">
            <SkipNext schedule={schedule} />
          </May>
        }
      >
        <div className="flex flex-col gap-4">
          <NextTimes next={schedule.next} zone={schedule.time_zone} paused={schedule.paused} />
          <Facts
            facts={[
              schedule.connection_id != null && {
                label: t('schedules.starts'),
                value: (
                  <Link to="/connections/$id" params={{ id: schedule.connection_id }} className={LINK}>
                    {[
                      wordFor(t, `workflow.${schedule.workflow}`, schedule.workflow),
                      connection?.name,
                      schedule.stream,
                    ]
                      .filter(Boolean)
                      .join(' · ')}
                  </Link>
                ),
              },
              { label: t('schedules.zone'), value: schedule.time_zone },
              schedule.starts_at != null && {
                label: t('schedules.from'),
                value: <Time at={schedule.starts_at} as="full" />,
              },
              schedule.ends_at != null && {
                label: t('schedules.until'),
                value: <Time at={schedule.ends_at} as="full" />,
              },
              schedule.paused_by != null && {
                label: t('schedules.paused_by'),
                value: t(`paused_by.${schedule.paused_by}`),
              },
              schedule.paused_at != null && {
                label: t('schedules.paused_since'),
                value: <Time at={schedule.paused_at} as="full" />,
              },
              schedule.paused_reason != null && {
                label: t('schedules.why_paused'),
                value: schedule.paused_reason,
              },
              {
                label: t('schedules.last'),
                value: last_run_id ? (
                  <Link to="/runs/$id" params={{ id: last_run_id }} className={LINK}>
                    <Time at={last_at} as="full" />
                  </Link>
                ) : (
                  <Time at={last_at} as="full" />
                ),
              },
            ]}
          />
        </div>
      </Panel>
    </div>
  );
}

/** What of a schedule can be edited here. */
function inputOf(schedule: Schedule): ScheduleInput {
  const { name, connection_id, stream, cron, time_zone, gap, repeat, jitter_seconds } = schedule;
  const { overlap, catch_up, catch_up_limit, paused, paused_reason } = schedule;
  return {
    name,
    connection_id,
    stream,
    cron,
    time_zone,
    gap,
    repeat,
    jitter_seconds,
    overlap,
    catch_up,
    catch_up_limit,
    paused,
    paused_reason,
  };
}

function SkipNext({ schedule }: { schedule: Schedule }) {
  const t = useWords();
  const client = useQueryClient();
  const skip = useMutation({
    mutationFn: (at: string) => skipNext(schedule.id, at),
    onSuccess: (skipped) => {
      toast({ text: t('schedules.skipped') });
      client.setQueryData(scheduleQuery(schedule.id).queryKey, skipped);
      void client.invalidateQueries({ queryKey: ['schedules', 'list'] });
    },
    onError: (error) => {
      toast({ text: error.message, bad: true });
      void client.invalidateQueries({ queryKey: ['schedules', 'one', schedule.id] });
    },
  });
  const next = schedule.next[0];
  if (next === undefined) return null;
  return (
    <Button look="quiet" icon={SkipForward} onPress={() => skip.mutate(next)} isDisabled={skip.isPending}>
      {t('schedules.skip_next')}
    </Button>
  );
}

function Actions({ schedule }: { schedule: Schedule }) {
  const t = useWords();
  const navigate = Route.useNavigate();
  const client = useQueryClient();
  const [deleting, setDeleting] = useState(false);
  const start = useMutation({
    mutationFn: () => runNow(schedule.id),
    onSuccess: ({ run_id }) => navigate({ to: '/runs/$id', params: { id: run_id } }),
    onError: (error) => toast({ text: error.message, bad: true }),
  });
  const remove = useMutation({
    mutationFn: () => deleteSchedule(schedule),
    onSuccess: async () => {
      await navigate({ to: '/schedules' });
      await client.invalidateQueries({ queryKey: ['schedules'] });
    },
  });
  return (
    <>
      <May needs="schedules.operate">
        <Button icon={Play} onPress={() => start.mutate()} isDisabled={start.isPending}>
          {t('schedules.run_now')}
        </Button>
      </May>
      <May needs="schedules.manage">
        <Button look="danger" icon={Trash2} onPress={() => setDeleting(true)}>
          {t('schedules.delete')}
        </Button>
      </May>
      <Dialog
        title={t('schedules.delete_named', { name: schedule.name })}
        isOpen={deleting}
        onClose={() => setDeleting(false)}
      >
        <div className="flex flex-col gap-4">
          <p className="text-sm text-ink-2">{t('schedules.delete_text')}</p>
          {remove.error && <ErrorState compact error={remove.error} />}
          <div className="flex justify-end gap-2">
            <Button look="quiet" onPress={() => setDeleting(false)}>
              {t('ui.cancel')}
            </Button>
            <Button look="danger" onPress={() => remove.mutate()} isPending={remove.isPending}>
              {t('schedules.delete_named', { name: schedule.name })}
            </Button>
          </div>
        </div>
      </Dialog>
    </>
  );
}
