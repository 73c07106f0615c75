import { useWords } from '#/lib/words';
import { SubNav } from '#/ui/sub-nav';
import './words';

/** What waits for a person: values that two sides set, and records of which it is not sure whose they are. */
export function QuestionsNav() {
  const t = useWords();
  return (
    <SubNav
      label={t('conflicts.parts')}
      parts={[
        { to: '/conflicts', label: t('conflicts.title') },
        { to: '/matches', label: t('conflicts.matches') },
      ]}
    />
  );
}
