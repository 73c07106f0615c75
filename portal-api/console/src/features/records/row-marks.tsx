import { useWords } from '#/lib/words';
import { StatusPill } from '#/ui/status-pill';

/** What a record waits for, in a list: a person, a write, or nothing. */
export function RowMarks({ conflicts, writes }: { conflicts: number; writes: number }) {
  const t = useWords();
  if (conflicts > 0)
    return <StatusPill status="paused">{t('record.conflicts', { count: conflicts })}</StatusPill>;
  if (writes > 0) return <StatusPill status="queued">{t('record.writes', { count: writes })}</StatusPill>;
  return <StatusPill status="succeeded">{t('record.in_sync')}</StatusPill>;
}
