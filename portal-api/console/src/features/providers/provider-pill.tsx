import type { IdentityProvider } from '#/api/types';
import { useWords } from '#/lib/words';
import { type Status, StatusPill } from '#/ui/status-pill';
import { type ProviderState, providerState } from './state';

const STATUS: Record<ProviderState, Status> = {
  on: 'succeeded',
  tested: 'waiting',
  failed: 'failed',
  new: 'new',
};

export function ProviderPill({ provider }: { provider: IdentityProvider }) {
  const t = useWords();
  const state = providerState(provider);
  return <StatusPill status={STATUS[state]}>{t(`provider_state.${state}`)}</StatusPill>;
}
