import { Link } from '@tanstack/react-router';
import { useWords } from '#/lib/words';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';

export function NotFound() {
  const t = useWords();
  return (
    <Page title={t('not_found.title')}>
      <p className="max-w-prose text-sm text-ink-2">{t('not_found.text')}</p>
      <p className="text-sm">
        <Link to="/" className={LINK}>
          {t('not_found.home')}
        </Link>
      </p>
    </Page>
  );
}
