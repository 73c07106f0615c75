import type { RoleName } from '#/api/types';

export type Side = 'staff' | 'partner' | 'customer';

/** From where people with a role come. */
export function sideOf(role: RoleName): Side {
  return role === 'partner' ? 'partner' : role.startsWith('customer_') ? 'customer' : 'staff';
}

export type Scope = 'all' | 'team' | 'assigned' | 'own';

const SCOPES: Record<Side, readonly Scope[]> = {
  staff: ['all', 'team', 'assigned'],
  partner: ['assigned', 'team'],
  customer: ['own'],
};

/** The scopes that people with a role can have; the first is what the role says by itself. */
export function scopesOf(role: RoleName): readonly Scope[] {
  return SCOPES[sideOf(role)];
}

/** To whom somebody belongs, and which accounts they see; `null` leaves the scope to the role. */
export type Belonging = { scope: string | null; partner_id: string | null; account_id: string | null };

/** What is left of it with another role: an organisation of the other side is not theirs, nor is a wider scope. */
export function fitting(role: RoleName, now: Belonging): Belonging {
  const side = sideOf(role);
  return {
    scope: scopesOf(role).some((scope) => scope === now.scope) ? now.scope : null,
    partner_id: side === 'partner' ? now.partner_id : null,
    account_id: side === 'customer' ? now.account_id : null,
  };
}

/** What was chosen of it: of somebody new the rest is left out. */
export function chosen(belonging: Belonging): Partial<Belonging> {
  return Object.fromEntries(Object.entries(belonging).filter(([, value]) => value !== null));
}
