import type { Side } from '#/api/types';
import { useWords, wordFor } from '#/lib/words';
import { type Status, StatusPill } from '#/ui/status-pill';
import './words';

const STATUS: Record<string, Status> = {
  pending: 'queued',
  sending: 'running',
  failed: 'failed',
  unknown: 'partial',
};

/** A value that this system does not have yet. */
export function WriteMark({ side }: { side: Side }) {
  const t = useWords();
  const state = side.write_state ?? 'pending';
  return (
    <span title={side.error ?? undefined} className="inline-flex min-w-0">
      <StatusPill status={STATUS[state] ?? 'queued'}>{wordFor(t, `write_state.${state}`, state)}</StatusPill>
    </span>
  );
}
