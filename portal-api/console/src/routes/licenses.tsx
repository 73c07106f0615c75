import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { useWords } from '#/lib/words';
import { Page } from '#/ui/page';
import { QueryView } from '#/ui/query-view';

export const Route = createFileRoute('/licenses')({ component: LicensesPage });

/** The notices of the packages this console is made with. */
function LicensesPage() {
  const t = useWords();
  const query = useQuery({
    queryKey: ['licenses'],
    queryFn: async () => {
      const response = await fetch('/licenses.txt');
      if (!response.ok) throw new Error(t('licenses.missing'));
      return response.text();
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
  return (
    <main>
      <Page title={t('licenses.title')}>
        <QueryView query={query} loading={t('licenses.loading')}>
          {(text) => <pre className="font-sans text-sm whitespace-pre-wrap text-ink-2">{text}</pre>}
        </QueryView>
      </Page>
    </main>
  );
}
