import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Plus } from 'lucide-react';
import { useMemo } from 'react';
import type { Connection } from '#/api/types';
import { connectionsQuery, systemsQuery } from '#/features/connections/queries';
import { ConnectionPill } from '#/features/connections/state';
import { Usage } from '#/features/connections/usage';
import { May } from '#/features/session/may';
import { formatNumber } from '#/lib/format';
import { useWords } from '#/lib/words';
import { buttonLook } from '#/ui/button';
import { NAME_LINK } from '#/ui/link';
import { countOf, ListView } from '#/ui/list-view';
import { Page } from '#/ui/page';
import { EmptyState } from '#/ui/states';
import type { Column } from '#/ui/table';
import { Time } from '#/ui/time';

export const Route = createFileRoute('/_app/connections/')({ component: ConnectionsPage });

function ConnectionsPage() {
  const t = useWords();
  const query = useInfiniteQuery(connectionsQuery());
  const systems = useQuery(systemsQuery).data;
  const columns = useMemo<Column<Connection>[]>(
    () => [
      {
        id: 'name',
        header: t('connections.name'),
        width: 'minmax(180px, 1.4fr)',
        phone: 'name',
        cell: (one) => (
          <Link to="/connections/$id" params={{ id: one.id }} className={NAME_LINK}>
            {one.name}
          </Link>
        ),
      },
      {
        id: 'state',
        header: t('connections.state'),
        width: '140px',
        phone: 'status',
        cell: (one) => <ConnectionPill state={one.state} />,
      },
      {
        id: 'sentence',
        header: t('connections.health'),
        width: 'minmax(200px, 2fr)',
        phone: 'fact',
        hides: 3,
        cell: (one) => <span title={one.state_sentence}>{one.state_sentence}</span>,
      },
      {
        id: 'system',
        header: t('connections.system'),
        width: '120px',
        hides: 2,
        cell: (one) => systems?.find((system) => system.id === one.system)?.title ?? one.system,
      },
      {
        id: 'streams',
        header: t('connections.streams'),
        width: '84px',
        align: 'right',
        hides: 3,
        cell: (one) => formatNumber(one.streams),
      },
      {
        id: 'usage',
        header: t('connections.usage'),
        width: '240px',
        hides: 1,
        cell: (one) => (one.usage ? <Usage {...one.usage} /> : '—'),
      },
      {
        id: 'checked',
        header: t('connections.checked'),
        width: '112px',
        phone: 'fact',
        cell: (one) => <Time at={one.checked_at} as="age" />,
      },
    ],
    [t, systems],
  );
  const add = (
    <May needs="connections.manage">
      <Link to="/connections/new" className={buttonLook('primary')}>
        <Plus aria-hidden size={16} /> {t('connections.add')}
      </Link>
    </May>
  );
  const count = countOf(query);
  return (
    <Page
      fill
      title={t('connections.title')}
      aside={
        count !== undefined && (
          <span className="numeric text-sm text-ink-2">{t('connections.count', { count })}</span>
        )
      }
      actions={add}
    >
      <ListView
        query={query}
        loading={t('connections.loading')}
        label={t('connections.title')}
        columns={columns}
        idOf={(one) => one.id}
        empty={<EmptyState title={t('connections.empty')} text={t('connections.empty_text')} action={add} />}
      />
    </Page>
  );
}
