import { useQueryClient } from '@tanstack/react-query';
import { useLine } from '#/api/live';
import { formatAge } from '#/lib/format';
import { useNow } from '#/lib/now';
import { useWords } from '#/lib/words';
import { StaleBanner } from '#/ui/states';

/** Says that changes no longer arrive by themselves, since when, and that the page asks instead. */
export function LineBanner() {
  const t = useWords();
  const client = useQueryClient();
  const line = useLine();
  const now = useNow(line.lost ? 5_000 : null);
  if (!line.lost) return null;
  return (
    <StaleBanner onRetry={() => void client.invalidateQueries()}>
      {t('shell.line_lost', { age: formatAge(new Date(line.since).toISOString(), now) })}
    </StaleBanner>
  );
}
