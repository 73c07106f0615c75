import { useQuery } from '@tanstack/react-query';
import type { Entity } from '#/api/types';
import { useMedia } from '#/lib/media';
import { oneOf } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Facts } from '#/ui/facts';
import { Id } from '#/ui/id';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { Tabs } from '#/ui/tabs';
import { Time } from '#/ui/time';
import { Links } from './links';
import { type Noun, provenanceQuery, recordQuery } from './queries';
import { RecordFields } from './record-fields';
import { RowMarks } from './row-marks';
import type { Show } from './sides';
import { Timeline } from './timeline';
import './words';

const TABS = ['holders', 'timeline'] as const;

export type RecordSearch = { show?: Show; tab?: 'fields' | 'holders' | 'timeline' };

type RecordPageProps = {
  noun: Noun;
  id: string;
  search: RecordSearch;
  onSearch: (change: RecordSearch) => void;
  nameOf: (record: Entity) => string;
  fallback: string;
  up: React.ReactNode;
  /** What only this kind of record has at the top. */
  facts?: (record: Entity) => { label: string; value: React.ReactNode }[];
  /** A part that only this kind of record has. */
  more?: { id: 'holders'; title: string; content: React.ReactNode };
};

export function RecordPage(props: RecordPageProps) {
  const { noun, id, search, onSearch, nameOf, fallback, up, facts, more } = props;
  const t = useWords();
  const wide = useMedia('(min-width: 1320px)');
  const record = useQuery(recordQuery(noun, id));
  const provenance = useQuery(provenanceQuery(noun, id));
  const fields = (found: Entity) => (
    <Panel title={wide ? t('grid.title') : undefined} flush>
      <QueryView query={provenance} loading={t('grid.loading')} skeletonRows={12}>
        {(data) => (
          <RecordFields
            noun={noun}
            record={found}
            provenance={data}
            show={search.show ?? 'all'}
            onShow={(show) => onSearch({ show: show === 'all' ? undefined : show })}
          />
        )}
      </QueryView>
    </Panel>
  );
  const timeline = (
    <Panel title={wide ? t('timeline.title') : undefined} flush>
      <Timeline noun={noun} id={id} />
    </Panel>
  );
  const marks = provenance.data && {
    conflicts: new Set(provenance.data.fields.flatMap((field) => field.conflict_id ?? [])).size,
    writes: provenance.data.fields.filter((field) => field.sides.some((side) => side.pending)).length,
  };
  return (
    <Page
      title={record.data ? nameOf(record.data) || fallback : fallback}
      up={up}
      aside={marks && <RowMarks {...marks} />}
    >
      <QueryView query={record} loading={t('grid.loading')}>
        {(found) => (
          <>
            <Facts
              facts={[
                ...(facts?.(found) ?? []),
                { label: t('record.links'), value: <Links links={found.links} /> },
                { label: t('record.updated'), value: <Time at={found.updated_at} as="age" /> },
                { label: t('record.created'), value: <Time at={found.created_at} as="full" /> },
                { label: t('record.id'), value: <Id value={found.id} /> },
              ]}
            />
            {wide ? (
              <div className="grid grid-cols-[minmax(0,1fr)_380px] items-start gap-4">
                {fields(found)}
                <div className="flex min-w-0 flex-col gap-4">
                  {more && <Panel title={more.title}>{more.content}</Panel>}
                  {timeline}
                </div>
              </div>
            ) : (
              <Tabs
                label={t('record.parts')}
                selected={search.tab ?? 'fields'}
                onSelect={(tab) => onSearch({ tab: oneOf(tab, TABS) })}
                parts={[
                  { id: 'fields', label: t('grid.title'), content: fields(found) },
                  ...(more
                    ? [{ id: more.id, label: more.title, content: <Panel>{more.content}</Panel> }]
                    : []),
                  { id: 'timeline', label: t('timeline.title'), content: timeline },
                ]}
              />
            )}
          </>
        )}
      </QueryView>
    </Page>
  );
}
