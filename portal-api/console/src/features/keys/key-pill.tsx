import type { Key } from '#/api/types';
import { useWords } from '#/lib/words';
import { type Status, StatusPill } from '#/ui/status-pill';
import { type KeyState, keyState } from './queries';

const STATUS: Record<KeyState, Status> = {
  working: 'succeeded',
  expiring: 'partial',
  rotating: 'waiting',
  expired: 'off',
  revoked: 'off',
};

/** Whether a key works. */
export function KeyPill({ of }: { of: Key }) {
  const t = useWords();
  const state = keyState(of);
  return <StatusPill status={STATUS[state]}>{t(`key_state.${state}`)}</StatusPill>;
}
