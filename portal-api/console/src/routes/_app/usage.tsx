import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { OrganisationNav } from '#/features/organisation/organisation-nav';
import { Permitted } from '#/features/organisation/permitted';
import { usageQuery } from '#/features/usage/queries';
import { UsageFigures } from '#/features/usage/usage-figures';
import { useWords } from '#/lib/words';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';

export const Route = createFileRoute('/_app/usage')({ component: UsagePage });

function UsagePage() {
  const t = useWords();
  return (
    <Permitted needs="hub.read" title={t('usage.title')}>
      <OwnUsage />
    </Permitted>
  );
}

function OwnUsage() {
  const t = useWords();
  const query = useQuery(usageQuery);
  return (
    <Page title={t('usage.title')}>
      <OrganisationNav />
      <Panel className="max-w-220" title={t('usage.own')}>
        <QueryView query={query} loading={t('usage.loading')} skeletonRows={4}>
          {(usage) => (
            <div className="flex flex-col gap-4">
              <p className="max-w-prose text-sm text-ink-2">{t('usage.text')}</p>
              <UsageFigures usage={usage} />
            </div>
          )}
        </QueryView>
      </Panel>
    </Page>
  );
}
