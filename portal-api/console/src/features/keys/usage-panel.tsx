import { useQuery } from '@tanstack/react-query';
import type { Key } from '#/api/types';
import { formatNumber } from '#/lib/format';
import { useWords } from '#/lib/words';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { EmptyState } from '#/ui/states';
import { Table } from '#/ui/table';
import { keyUsageQuery } from './queries';
import { byDay, byRoute, type DayOfCalls, type RouteOfCalls } from './usage';

const DAYS = 30;

/** What a key was used for: calls by day as bars, by operation as a table. */
export function UsagePanel({ of }: { of: Key }) {
  const t = useWords();
  const query = useQuery(keyUsageQuery(of.id));
  return (
    <Panel flush title={t('keys_page.usage', { days: DAYS })}>
      <QueryView query={query} loading={t('keys_page.usage_loading')} skeletonRows={4}>
        {(usage) =>
          usage.length === 0 ? (
            <EmptyState title={t('keys_page.unused')} text={t('keys_page.unused_text')} />
          ) : (
            <>
              <Bars days={byDay(usage, new Date().toISOString().slice(0, 10), DAYS)} />
              <Routes routes={byRoute(usage)} />
            </>
          )
        }
      </QueryView>
    </Panel>
  );
}

function Bars({ days }: { days: readonly DayOfCalls[] }) {
  const t = useWords();
  const most = Math.max(...days.map((day) => day.calls), 1);
  const calls = days.reduce((sum, day) => sum + day.calls, 0);
  const refused = days.reduce((sum, day) => sum + day.refused, 0);
  const busiest = days.find((day) => day.calls === most)?.day ?? '';
  return (
    <figure className="flex flex-col gap-2 border-b border-line p-4">
      <svg
        role="img"
        aria-label={t('keys_page.usage_sentence', { calls, refused, day: busiest, most })}
        viewBox={`0 0 ${days.length * 10} 48`}
        preserveAspectRatio="none"
        className="h-12 w-full"
      >
        {days.map((day, at) => {
          const height = day.calls === 0 ? 0 : Math.max(2, (day.calls / most) * 46);
          const over = (day.refused / Math.max(day.calls, 1)) * height;
          return (
            <g key={day.day}>
              <title>{t('keys_page.day', { day: day.day, calls: day.calls, refused: day.refused })}</title>
              <rect x={at * 10} y={0} width={9} height={48} fill="transparent" />
              <rect x={at * 10 + 1} y={47} width={8} height={1} className="fill-line" />
              <rect x={at * 10 + 1} y={48 - height} width={8} height={height} className="fill-run" />
              <rect x={at * 10 + 1} y={48 - height} width={8} height={over} className="fill-bad" />
            </g>
          );
        })}
      </svg>
      <figcaption className="numeric flex flex-wrap justify-between gap-x-4 text-xs text-ink-2">
        <span>{days[0]?.day}</span>
        <span>{t('keys_page.usage_total', { calls, refused })}</span>
        <span>{days.at(-1)?.day}</span>
      </figcaption>
    </figure>
  );
}

function Routes({ routes }: { routes: readonly RouteOfCalls[] }) {
  const t = useWords();
  return (
    <Table
      whole
      label={t('keys_page.by_route')}
      rows={routes}
      idOf={(one) => one.operation}
      columns={[
        {
          id: 'operation',
          header: t('keys_page.operation'),
          width: 'minmax(160px, 2fr)',
          phone: 'name',
          cell: (one) => <code className="font-mono text-xs">{one.operation}</code>,
        },
        {
          id: 'calls',
          header: t('keys_page.calls'),
          width: '96px',
          align: 'right',
          phone: 'status',
          cell: (one) => formatNumber(one.calls),
        },
        {
          id: 'refused',
          header: t('keys_page.refused'),
          width: '112px',
          align: 'right',
          hides: 3,
          cell: (one) =>
            one.refused > 0 ? <span className="text-bad-ink">{formatNumber(one.refused)}</span> : '0',
        },
        {
          id: 'last',
          header: t('keys_page.last_day'),
          width: '112px',
          phone: 'fact',
          cell: (one) => <span className="numeric">{one.last}</span>,
        },
      ]}
    />
  );
}
