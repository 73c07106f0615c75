import { useQuery } from '@tanstack/react-query';
import { overviewQuery } from '#/features/overview/queries';

/** How many conflicts wait, for the mark beside the page's name. */
export function useConflictCount(): number {
  return useQuery(overviewQuery).data?.conflicts_open ?? 0;
}
