import type { Domain } from '#/api/types';
import { useWords } from '#/lib/words';
import { StatusPill } from '#/ui/status-pill';

export function DomainPill({ domain }: { domain: Domain }) {
  const t = useWords();
  return domain.verified_at ? (
    <StatusPill status="succeeded">{t('domain_state.verified')}</StatusPill>
  ) : (
    <StatusPill status="waiting">{t('domain_state.waiting')}</StatusPill>
  );
}
