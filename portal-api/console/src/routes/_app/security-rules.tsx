import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { Permitted } from '#/app/permitted';
import { FactorRulesPanel } from '#/features/policy/factor-rules';
import { PolicyForm } from '#/features/policy/policy-form';
import { policyQuery } from '#/features/policy/queries';
import { useWords } from '#/lib/words';
import { Page } from '#/ui/page';
import { QueryView } from '#/ui/query-view';

export const Route = createFileRoute('/_app/security-rules')({ component: SecurityRulesPage });

function SecurityRulesPage() {
  const t = useWords();
  return (
    <Permitted needs="hub.configure" title={t('policy_page.title')}>
      <Rules />
    </Permitted>
  );
}

function Rules() {
  const t = useWords();
  const query = useQuery(policyQuery);
  return (
    <Page title={t('policy_page.title')}>
      <p className="max-w-prose text-sm text-ink-2">{t('policy_page.text')}</p>
      <FactorRulesPanel />
      <QueryView query={query} loading={t('policy_page.loading')}>
        {(policy) => <PolicyForm policy={policy} />}
      </QueryView>
    </Page>
  );
}
