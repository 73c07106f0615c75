import { useMay } from '#/features/session/queries';
import { useWords } from '#/lib/words';
import './words';
import { SubNav } from '#/ui/sub-nav';

const PARTS = [
  { to: '/erasures', word: 'erasures.title', needs: 'privacy.manage' },
  { to: '/subject-exports', word: 'exports.title', needs: 'privacy.manage' },
  { to: '/personal-data', word: 'personal.title', needs: 'privacy.manage' },
  { to: '/retention', word: 'retention.title', needs: 'hub.configure' },
] as const;

/** What is asked of people's data, what counts as such, and how long it is kept. */
export function PrivacyNav() {
  const t = useWords();
  const may = useMay();
  return (
    <SubNav
      label={t('privacy.parts')}
      parts={PARTS.filter((part) => may(part.needs)).map(({ to, word }) => ({ to, label: t(word) }))}
    />
  );
}
