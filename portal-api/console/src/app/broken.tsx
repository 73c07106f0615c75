import type { ErrorComponentProps } from '@tanstack/react-router';
import { useWords } from '#/lib/words';
import { Page } from '#/ui/page';
import { ErrorState } from '#/ui/states';

/** The page itself failed: what is left is to say so and offer it again. */
export function Broken({ error, reset }: ErrorComponentProps) {
  const t = useWords();
  return (
    <Page title={t('broken.title')}>
      <ErrorState error={error} onRetry={reset} />
    </Page>
  );
}
