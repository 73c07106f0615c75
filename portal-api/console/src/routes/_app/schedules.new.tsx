import { useQuery, useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { Permitted } from '#/app/permitted';
import { connectionNamesQuery, streamsQuery } from '#/features/connections/queries';
import { createSchedule } from '#/features/schedules/queries';
import { ScheduleForm, type ScheduleInput } from '#/features/schedules/schedule-form';
import { useWords } from '#/lib/words';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { toast } from '#/ui/toast';

export const Route = createFileRoute('/_app/schedules/new')({ component: NewSchedulePage });

const BLANK: ScheduleInput = {
  name: '',
  connection_id: null,
  stream: null,
  cron: '*/15 * * * *',
  time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  gap: 'run_after',
  repeat: 'once',
  jitter_seconds: 0,
  overlap: 'skip',
  catch_up: 'one',
  catch_up_limit: 10,
  paused: false,
  paused_reason: null,
};

function NewSchedulePage() {
  const t = useWords();
  return (
    <Permitted needs="schedules.manage" title={t('schedules.add')}>
      <NewSchedule />
    </Permitted>
  );
}

function NewSchedule() {
  const t = useWords();
  const client = useQueryClient();
  const navigate = Route.useNavigate();
  const connections = useQuery(connectionNamesQuery);
  const [connection, setConnection] = useState('');
  const streams = useQuery({ ...streamsQuery(connection), enabled: connection !== '' });
  return (
    <Page
      title={t('schedules.add')}
      up={
        <Link to="/schedules" className={LINK}>
          {t('schedules.title')}
        </Link>
      }
    >
      <Panel className="max-w-180">
        <QueryView query={connections} loading={t('connections.loading')}>
          {(names) => (
            <ScheduleForm
              mayEdit
              schedule={BLANK}
              target={{
                connections: names,
                streams: (streams.data ?? []).map((one) => one.stream),
                onConnection: setConnection,
              }}
              submit={t('schedules.create')}
              save={async (input) => {
                const schedule = await createSchedule(input);
                toast({ text: t('schedules.created', { name: schedule.name }) });
                await client.invalidateQueries({ queryKey: ['schedules'] });
                await navigate({ to: '/schedules/$id', params: { id: schedule.id } });
                return schedule;
              }}
            />
          )}
        </QueryView>
      </Panel>
    </Page>
  );
}
