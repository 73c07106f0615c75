import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Plus } from 'lucide-react';
import { useMemo } from 'react';
import type { Schedule } from '#/api/types';
import { connectionNamesQuery } from '#/features/connections/queries';
import { schedulesQuery } from '#/features/schedules/queries';
import { SchedulePill } from '#/features/schedules/schedule-pill';
import { May } from '#/features/session/may';
import { useWords, wordFor } from '#/lib/words';
import { buttonLook } from '#/ui/button';
import { LINK, NAME_LINK } from '#/ui/link';
import { countOf, ListView } from '#/ui/list-view';
import { Page } from '#/ui/page';
import { EmptyState } from '#/ui/states';
import type { Column } from '#/ui/table';
import { Time } from '#/ui/time';

export const Route = createFileRoute('/_app/schedules/')({ component: SchedulesPage });

function SchedulesPage() {
  const t = useWords();
  const query = useInfiniteQuery(schedulesQuery());
  const connections = useQuery(connectionNamesQuery).data;
  const columns = useMemo<Column<Schedule>[]>(
    () => [
      {
        id: 'name',
        header: t('schedules.name'),
        width: 'minmax(180px, 1.6fr)',
        phone: 'name',
        cell: (one) => (
          <Link to="/schedules/$id" params={{ id: one.id }} className={NAME_LINK}>
            {one.name}
          </Link>
        ),
      },
      {
        id: 'state',
        header: t('schedules.state'),
        width: '120px',
        phone: 'status',
        cell: (one) => <SchedulePill schedule={one} />,
      },
      {
        id: 'what',
        header: t('schedules.starts'),
        width: 'minmax(180px, 1.6fr)',
        hides: 2,
        cell: (one) => {
          const connection = connections?.find((other) => other.id === one.connection_id)?.name;
          const workflow = wordFor(t, `workflow.${one.workflow}`, one.workflow);
          return [workflow, connection, one.stream].filter(Boolean).join(' · ');
        },
      },
      {
        id: 'cron',
        header: t('schedules.cron'),
        width: '128px',
        phone: 'fact',
        cell: (one) => <code className="font-mono text-xs">{one.cron}</code>,
      },
      { id: 'zone', header: t('schedules.zone'), width: '136px', hides: 1, cell: (one) => one.time_zone },
      {
        id: 'next',
        header: t('schedules.next'),
        width: '124px',
        phone: 'fact',
        cell: (one) => (one.next[0] === undefined ? '—' : <Time at={one.next[0]} as="age" />),
      },
      {
        id: 'last',
        header: t('schedules.last'),
        width: '124px',
        hides: 3,
        cell: (one) =>
          one.last_run_id ? (
            <Link to="/runs/$id" params={{ id: one.last_run_id }} className={LINK}>
              <Time at={one.last_at} as="age" />
            </Link>
          ) : (
            <Time at={one.last_at} as="age" />
          ),
      },
    ],
    [t, connections],
  );
  const add = (
    <May needs="schedules.manage">
      <Link to="/schedules/new" className={buttonLook('primary')}>
        <Plus aria-hidden size={16} /> {t('schedules.add')}
      </Link>
    </May>
  );
  const count = countOf(query);
  return (
    <Page
      fill
      title={t('schedules.title')}
      aside={
        count !== undefined && (
          <span className="numeric text-sm text-ink-2">{t('schedules.count', { count })}</span>
        )
      }
      actions={add}
    >
      <ListView
        query={query}
        loading={t('schedules.loading')}
        label={t('schedules.title')}
        columns={columns}
        idOf={(one) => one.id}
        empty={<EmptyState title={t('schedules.empty')} text={t('schedules.empty_text')} action={add} />}
      />
    </Page>
  );
}
