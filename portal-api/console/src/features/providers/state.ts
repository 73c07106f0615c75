import type { IdentityProvider, RoleName } from '#/api/types';

export const STATES = ['on', 'tested', 'failed', 'new'] as const;
export type ProviderState = (typeof STATES)[number];

/** Where a provider stands on its way from being written down to letting people in. */
export function providerState(
  provider: Pick<IdentityProvider, 'enabled' | 'tested' | 'last_test'>,
): ProviderState {
  if (provider.enabled) return 'on';
  if (provider.tested) return 'tested';
  const outcome = provider.last_test && readOutcome(provider.last_test.outcome);
  return outcome && !outcome.accepted ? 'failed' : 'new';
}

/** What came of a test sign-in: who came by the provider's word, and who they would be here. */
export type Outcome = {
  accepted: boolean;
  reason: string | null;
  subject: string | null;
  email: string | null;
  isVerified: boolean;
  name: string | null;
  theirGroups: string[];
  role: RoleName | null;
  groups: string[];
};

export function readOutcome(value: unknown): Outcome {
  const said = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const text = (name: string) => (typeof said[name] === 'string' && said[name] !== '' ? said[name] : null);
  const texts = (name: string) =>
    Array.isArray(said[name]) ? said[name].filter((one): one is string => typeof one === 'string') : [];
  return {
    accepted: said.accepted === true,
    reason: text('reason'),
    subject: text('subject'),
    email: text('email'),
    isVerified: said.email_verified === true,
    name: text('name'),
    theirGroups: texts('provider_groups'),
    role: text('role') as RoleName | null,
    groups: texts('groups'),
  };
}

/** Whether it was known who came at all: a sign-in that was broken off says nothing of anybody. */
export function hasArrived(outcome: Outcome): boolean {
  return outcome.subject !== null;
}
