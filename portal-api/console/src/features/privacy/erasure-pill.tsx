import type { Erasure } from '#/api/types';
import { useWords, wordFor } from '#/lib/words';
import './words';
import { type Status, StatusPill } from '#/ui/status-pill';

const STATUS: Record<string, Status> = {
  asked: 'paused',
  approved: 'waiting',
  failed: 'failed',
  done: 'succeeded',
  refused: 'off',
  withdrawn: 'off',
};

/** How a request to forget somebody stands. */
export function ErasurePill({ erasure }: { erasure: Erasure }) {
  const t = useWords();
  const { state } = erasure;
  return (
    <StatusPill status={STATUS[state] ?? 'new'}>{wordFor(t, `erasure_state.${state}`, state)}</StatusPill>
  );
}
