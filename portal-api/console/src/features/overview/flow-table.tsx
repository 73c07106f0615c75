import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import type { Flow } from '#/api/types';
import { formatNumber } from '#/lib/format';
import { useWords, wordFor } from '#/lib/words';
import { NAME_LINK } from '#/ui/link';
import { type Status, StatusPill } from '#/ui/status-pill';
import { Subject } from '#/ui/subject';
import { type Column, Table } from '#/ui/table';
import { Time } from '#/ui/time';

const STATUS: Record<string, Status> = {
  on_time: 'succeeded',
  late: 'partial',
  stopped: 'failed',
  never_run: 'new',
};

/** One row per stream that is switched on: is it on time, and what waits in it. */
export function FlowTable({ flows }: { flows: readonly Flow[] }) {
  const t = useWords();
  const columns = useMemo<Column<Flow>[]>(
    () => [
      {
        id: 'flow',
        header: t('flows.flow'),
        width: 'minmax(200px, 1.8fr)',
        phone: 'name',
        cell: (flow) => {
          const subject = `${flow.connection_name} · ${flow.stream}`;
          return (
            <Link
              to="/connections/$id"
              params={{ id: flow.connection_id }}
              className={NAME_LINK}
              aria-label={subject}
            >
              <Subject>{subject}</Subject>
            </Link>
          );
        },
      },
      {
        id: 'state',
        header: t('flows.state'),
        width: '128px',
        phone: 'status',
        cell: (flow) => (
          <StatusPill status={STATUS[flow.state] ?? 'new'}>
            {wordFor(t, `flow_state.${flow.state}`, flow.state)}
          </StatusPill>
        ),
      },
      {
        id: 'sentence',
        header: t('flows.sentence'),
        width: 'minmax(180px, 2fr)',
        phone: 'fact',
        hides: 2,
        cell: (flow) => <span title={flow.sentence}>{flow.sentence}</span>,
      },
      {
        id: 'records',
        header: t('flows.records'),
        width: '84px',
        align: 'right',
        cell: (flow) => formatNumber(flow.records),
      },
      {
        id: 'last',
        header: t('flows.last_read'),
        width: '108px',
        phone: 'fact',
        hides: 3,
        cell: (flow) => <Time at={flow.last_read_at} as="age" />,
      },
      {
        id: 'next',
        header: t('flows.next'),
        width: '108px',
        hides: 1,
        cell: (flow) => <Time at={flow.next_at} as="age" />,
      },
      {
        id: 'writes',
        header: t('flows.writes'),
        width: '84px',
        align: 'right',
        hides: 3,
        cell: (flow) => formatNumber(flow.pending_writes),
      },
      {
        id: 'conflicts',
        header: t('flows.conflicts'),
        width: '80px',
        align: 'right',
        hides: 2,
        cell: (flow) =>
          flow.conflicts === 0 ? (
            '0'
          ) : (
            <Link to="/conflicts" search={{ connection_id: flow.connection_id }} className={NAME_LINK}>
              {formatNumber(flow.conflicts)}
            </Link>
          ),
      },
      {
        id: 'failures',
        header: t('flows.failures'),
        width: '76px',
        align: 'right',
        cell: (flow) =>
          flow.failures === 0 ? (
            '0'
          ) : (
            <Link
              to="/runs"
              search={{ connection_id: flow.connection_id, state: 'failed' }}
              className="rounded-tag font-medium text-bad-ink hover:underline"
            >
              {formatNumber(flow.failures)}
            </Link>
          ),
      },
    ],
    [t],
  );
  return (
    <Table
      whole
      label={t('flows.title')}
      columns={columns}
      rows={flows}
      idOf={(flow) => `${flow.connection_id} ${flow.stream}`}
    />
  );
}
