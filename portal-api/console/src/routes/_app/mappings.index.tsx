import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import type { MappingSummary } from '#/api/types';
import { connectionNamesQuery } from '#/features/connections/queries';
import { MappingPill } from '#/features/mappings/mapping-pill';
import { mappingsQuery } from '#/features/mappings/queries';
import { formatNumber } from '#/lib/format';
import { compact, textParam } from '#/lib/search';
import { useWords, wordFor } from '#/lib/words';
import { buttonLook } from '#/ui/button';
import { FilterBar } from '#/ui/filter-bar';
import { NAME_LINK } from '#/ui/link';
import { countOf, ListView } from '#/ui/list-view';
import { Page } from '#/ui/page';
import { Select } from '#/ui/select';
import { EmptyState } from '#/ui/states';
import type { Column } from '#/ui/table';
import { Time } from '#/ui/time';

export const Route = createFileRoute('/_app/mappings/')({
  validateSearch: (search): { connection_id?: string } => ({
    connection_id: textParam(search.connection_id),
  }),
  component: MappingsPage,
});

function MappingsPage() {
  const t = useWords();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const query = useInfiniteQuery(mappingsQuery(search));
  const connections = useQuery(connectionNamesQuery).data;
  const columns = useMemo<Column<MappingSummary>[]>(
    () => [
      {
        id: 'name',
        header: t('mapping.one'),
        width: 'minmax(200px, 2fr)',
        phone: 'name',
        cell: (one) => (
          <Link to="/mappings/$id" params={{ id: one.id }} className={NAME_LINK}>
            {connections?.find((other) => other.id === one.connection_id)?.name ?? ''} · {one.stream}
          </Link>
        ),
      },
      {
        id: 'state',
        header: t('mapping.state'),
        width: '144px',
        phone: 'status',
        cell: (one) => <MappingPill draft={one.draft} />,
      },
      {
        id: 'entity',
        header: t('mapping.entity'),
        width: '120px',
        phone: 'fact',
        cell: (one) => wordFor(t, `entity.${one.entity}`, one.entity),
      },
      {
        id: 'version',
        header: t('mapping.version'),
        width: '84px',
        align: 'right',
        hides: 3,
        cell: (one) => one.version ?? '—',
      },
      {
        id: 'fields',
        header: t('mapping.fields'),
        width: '84px',
        align: 'right',
        hides: 3,
        cell: (one) => formatNumber(one.fields),
      },
      {
        id: 'by',
        header: t('mapping.updated_by'),
        width: 'minmax(120px, 1fr)',
        hides: 2,
        cell: (one) => one.updated_by ?? '—',
      },
      {
        id: 'updated',
        header: t('record.updated'),
        width: '112px',
        phone: 'fact',
        cell: (one) => <Time at={one.updated_at} as="age" />,
      },
    ],
    [t, connections],
  );
  const clear = () => void navigate({ search: {}, replace: true });
  return (
    <Page fill title={t('mapping.title')}>
      <FilterBar
        count={countOf(query)}
        word="mapping.count"
        onClear={search.connection_id ? clear : undefined}
      >
        <Select
          inline
          label={t('runs.connection')}
          value={search.connection_id ?? ''}
          onChange={(value) => void navigate({ search: compact({ connection_id: value }), replace: true })}
          choices={[
            { value: '', label: t('filter.any') },
            ...(connections ?? []).map((one) => ({ value: one.id, label: one.name })),
          ]}
        />
      </FilterBar>
      <ListView
        query={query}
        loading={t('mapping.loading')}
        label={t('mapping.title')}
        columns={columns}
        idOf={(one) => one.id}
        empty={
          <EmptyState
            title={t('mapping.empty')}
            text={t('mapping.empty_text')}
            action={
              <Link to="/connections" className={buttonLook('primary')}>
                {t('accounts.empty_action')}
              </Link>
            }
          />
        }
      />
    </Page>
  );
}
