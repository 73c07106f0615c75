import { useQuery } from '@tanstack/react-query';
import { overviewQuery } from '#/features/overview/queries';
import { useMay } from '#/features/session/queries';

/** How many conflicts wait, for the mark beside the page's name. */
export function useConflictCount(): number {
  const may = useMay();
  return useQuery({ ...overviewQuery, enabled: may('hub.read') }).data?.conflicts_open ?? 0;
}
