import { useWords } from '#/lib/words';
import { StatusPill } from '#/ui/status-pill';

export function TenantPill({ isSuspended }: { isSuspended: boolean }) {
  const t = useWords();
  return (
    <StatusPill status={isSuspended ? 'paused' : 'succeeded'}>
      {t(isSuspended ? 'tenant_state.suspended' : 'tenant_state.active')}
    </StatusPill>
  );
}
