import { Link } from '@tanstack/react-router';
import { useWords } from '#/lib/words';
import { LINK } from '#/ui/link';
import './words';

/** What a person can ask for, from their page. */
export function PrivacyLinks({ contact }: { contact: string }) {
  const t = useWords();
  return (
    <span className="flex flex-wrap gap-x-3">
      <Link to="/subject-exports" search={{ contact }} className={LINK}>
        {t('privacy.ask_export')}
      </Link>
      <Link to="/erasures/new" search={{ contact }} className={LINK}>
        {t('privacy.ask_erasure')}
      </Link>
    </span>
  );
}
