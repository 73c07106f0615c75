import type { Schedule } from '#/api/types';
import { useWords } from '#/lib/words';
import { StatusPill } from '#/ui/status-pill';
import './words';

/** Whether a schedule starts anything. */
export function SchedulePill({ schedule }: { schedule: Schedule }) {
  const t = useWords();
  if (schedule.paused) return <StatusPill status="paused">{t('schedules.paused')}</StatusPill>;
  if (schedule.ended) return <StatusPill status="off">{t('schedules.ended')}</StatusPill>;
  return <StatusPill status="succeeded">{t('schedules.on')}</StatusPill>;
}
