import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link, useBlocker } from '@tanstack/react-router';
import { connectionNamesQuery } from '#/features/connections/queries';
import { MappingEditor, useDraft } from '#/features/mappings/editor';
import { MappingPill } from '#/features/mappings/mapping-pill';
import { mappingQuery, type TaggedMapping } from '#/features/mappings/queries';
import { MappingRows } from '#/features/mappings/rows';
import { Versions } from '#/features/mappings/versions';
import { useMay } from '#/features/session/queries';
import { compact, oneOf } from '#/lib/search';
import { useWords, wordFor } from '#/lib/words';
import { Button } from '#/ui/button';
import { Dialog } from '#/ui/dialog';
import { Facts } from '#/ui/facts';
import { Id } from '#/ui/id';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { Tabs } from '#/ui/tabs';
import { Time } from '#/ui/time';

const TABS = ['rows', 'text', 'versions'] as const;

export const Route = createFileRoute('/_app/mappings/$id')({
  validateSearch: (search): { tab?: (typeof TABS)[number] } => ({ tab: oneOf(search.tab, TABS) }),
  loader: ({ context, params }) => void context.queryClient.prefetchQuery(mappingQuery(params.id)),
  component: MappingPage,
});

function MappingPage() {
  const t = useWords();
  const { id } = Route.useParams();
  const query = useQuery(mappingQuery(id));
  const mapping = query.data;
  const connection = useQuery(connectionNamesQuery).data?.find((one) => one.id === mapping?.connection_id);
  return (
    <Page
      key={id}
      title={mapping ? [connection?.name, mapping.stream].filter(Boolean).join(' · ') : t('mapping.one')}
      up={
        <Link to="/mappings" className={LINK}>
          {t('mapping.title')}
        </Link>
      }
      aside={mapping && <MappingPill draft={mapping.draft} />}
    >
      <QueryView query={query} loading={t('mapping.loading')}>
        {(found) => <MappingView mapping={found} connectionName={connection?.name} />}
      </QueryView>
    </Page>
  );
}

function MappingView({
  mapping,
  connectionName,
}: {
  mapping: TaggedMapping;
  connectionName: string | undefined;
}) {
  const t = useWords();
  const { tab } = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay();
  const draft = useDraft(mapping);
  const select = (next: string) =>
    void navigate({ search: compact({ tab: oneOf(next, TABS) }), replace: true, resetScroll: false });
  const errors = draft.problems.filter((problem) => problem.severity !== 'warning').length;
  return (
    <>
      <Facts
        facts={[
          {
            label: t('runs.connection'),
            value: (
              <Link to="/connections/$id" params={{ id: mapping.connection_id }} className={LINK}>
                {connectionName ?? mapping.connection_id}
              </Link>
            ),
          },
          { label: t('mapping.entity'), value: wordFor(t, `entity.${mapping.entity}`, mapping.entity) },
          {
            label: t('mapping.published_version'),
            value: mapping.published_text == null ? t('mapping.none_published') : mapping.version,
          },
          { label: t('record.updated'), value: <Time at={mapping.updated_at} as="full" /> },
          { label: t('mapping.updated_by'), value: mapping.updated_by ?? '—' },
          { label: t('mapping.id'), value: <Id value={mapping.id} /> },
        ]}
      />
      <Tabs
        label={t('mapping.parts')}
        selected={tab ?? 'rows'}
        onSelect={select}
        parts={[
          {
            id: 'rows',
            label: t('mapping.rows'),
            content: (
              <Panel flush>
                <MappingRows rows={draft.rows} />
              </Panel>
            ),
          },
          {
            id: 'text',
            label: t('mapping.text'),
            count: errors,
            content: (
              <Panel flush>
                <MappingEditor mapping={mapping} draft={draft} />
              </Panel>
            ),
          },
          {
            id: 'versions',
            label: t('mapping.versions'),
            content: (
              <Panel flush>
                <Versions
                  id={mapping.id}
                  onTake={
                    may('mappings.manage')
                      ? (text) => {
                          draft.setText(text);
                          select('text');
                        }
                      : undefined
                  }
                />
              </Panel>
            ),
          },
        ]}
      />
      <Leaving isChanged={draft.isChanged} />
    </>
  );
}

/** A text that was not saved is not lost by a wrong click. */
function Leaving({ isChanged }: { isChanged: boolean }) {
  const t = useWords();
  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) => isChanged && current.pathname !== next.pathname,
    enableBeforeUnload: isChanged,
    withResolver: true,
  });
  return (
    <Dialog
      title={t('mapping.leave_title')}
      isOpen={blocker.status === 'blocked'}
      onClose={() => blocker.reset?.()}
    >
      <div className="flex flex-col gap-4">
        <p className="text-sm text-ink-2">{t('mapping.leave_text')}</p>
        <div className="flex justify-end gap-2">
          <Button onPress={() => blocker.proceed?.()}>{t('mapping.leave')}</Button>
          <Button look="primary" onPress={() => blocker.reset?.()}>
            {t('mapping.stay')}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
