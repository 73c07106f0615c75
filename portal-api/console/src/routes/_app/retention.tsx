import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { Permitted } from '#/app/permitted';
import { PrivacyNav } from '#/features/privacy/privacy-nav';
import { retentionQuery } from '#/features/privacy/queries';
import { RetentionForm } from '#/features/privacy/retention-form';
import { useWords } from '#/lib/words';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { QueryView } from '#/ui/query-view';

export const Route = createFileRoute('/_app/retention')({ component: RetentionPage });

function RetentionPage() {
  const t = useWords();
  return (
    <Permitted needs="hub.configure" title={t('retention.title')}>
      <Rules />
    </Permitted>
  );
}

function Rules() {
  const t = useWords();
  const query = useQuery(retentionQuery);
  return (
    <Page title={t('retention.title')}>
      <PrivacyNav />
      <p className="max-w-prose text-sm text-ink-2">
        {t('retention.text')}{' '}
        <Link to="/security-rules" className={LINK}>
          {t('policy_page.title')}
        </Link>
      </p>
      <QueryView query={query} loading={t('retention.loading')}>
        {(retention) => <RetentionForm retention={retention} />}
      </QueryView>
    </Page>
  );
}
