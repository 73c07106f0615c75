import type { User } from '#/api/types';
import { useWords, wordFor } from '#/lib/words';
import { StatusPill } from '#/ui/status-pill';

/** Whether somebody can sign in. */
export function UserPill({ user }: { user: User }) {
  const t = useWords();
  if (user.locked_until) return <StatusPill status="failed">{t('users.locked')}</StatusPill>;
  const status = user.state === 'active' ? 'succeeded' : user.state === 'invited' ? 'waiting' : 'off';
  return <StatusPill status={status}>{wordFor(t, `user_state.${user.state}`, user.state)}</StatusPill>;
}
