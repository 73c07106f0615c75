import type { Connection } from '#/api/types';
import { useWords, wordFor } from '#/lib/words';
import { type Status, StatusPill } from '#/ui/status-pill';

const STATUS: Record<Connection['state'], Status> = {
  new: 'new',
  ok: 'succeeded',
  attention: 'partial',
  stopped: 'failed',
};

export function ConnectionPill({ state }: { state: Connection['state'] }) {
  const t = useWords();
  return <StatusPill status={STATUS[state]}>{wordFor(t, `connection_state.${state}`, state)}</StatusPill>;
}
