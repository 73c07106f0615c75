import type { AuditEntry } from '#/api/types';
import { useWords, wordFor } from '#/lib/words';

/** What things are called in the trail: nouns of operations, and some that have none. */
export const KINDS = [
  'user',
  'users',
  'group',
  'team',
  'partner',
  'assignments',
  'erasure',
  'subject_export',
  'retention',
  'session',
  'key',
  'grant',
  'passkey',
  'device',
  'security',
  'identity_provider',
  'domain',
  'brand',
  'tenant',
  'accounts',
  'contacts',
  'fields',
  'conflicts',
  'connections',
  'mappings',
  'schedules',
  'runs',
  'approvals',
  'failure-classes',
  'lanes',
  'budgets',
  'audit',
] as const;

/** Actions to begin with; others can be typed, and those in sight are offered too. */
export const ACTIONS = [
  'sign_in',
  'sign_out',
  'refused:sign_in',
  'lock_user',
  'unlock_user',
  'invite_user',
  'update_user',
  'deactivate_user',
  'reactivate_user',
  'refused:update_user',
  'reset_factors',
  'set_password',
  'create_group',
  'update_group',
  'delete_group',
  'create_key',
  'rotate_key',
  'revoke_key',
  'set_security_policy',
  'set_factor_rules',
  'create_identity_provider',
  'update_identity_provider',
  'enable_identity_provider',
  'set_sign_in_policy',
  'suspend_tenant',
  'create_team',
  'update_team',
  'assign_account',
  'end_assignment',
  'assign_accounts',
  'transfer_accounts',
  'ask_erasure',
  'approve_erasure',
  'carry_out_erasure',
  'hand_out_subject_export',
  'set_retention',
  'create_connection',
  'update_connection',
  'delete_connection',
  'put_mapping',
  'update_schedule',
] as const;

const REFUSED = 'refused:';

/** Whether an attempt is noted, not a deed. */
export function isRefused(action: string): boolean {
  return action.startsWith(REFUSED);
}

export function useAuditWords() {
  const t = useWords();
  const deed = (action: string) => {
    const plain = action.replaceAll('_', ' ');
    return plain.charAt(0).toUpperCase() + plain.slice(1);
  };
  return {
    /** «Update user», «Refused: update user». */
    action: (action: string) =>
      isRefused(action)
        ? t('audit.refused', { action: deed(action.slice(REFUSED.length)).toLowerCase() })
        : deed(action),
    kind: (kind: string) => wordFor(t, `audit_kind.${kind}`, kind),
    actor: (actor: AuditEntry['actor']) => (actor.kind === 'system' ? t('audit.system') : actor.name),
  };
}
