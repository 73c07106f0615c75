import type { AssignmentOrder } from '#/api/types';

export type HolderKind = 'user' | 'team' | 'partner';

/** Their kind stands at the front of their id. */
export function kindOf(id: string): HolderKind {
  return id.startsWith('tea_') ? 'team' : id.startsWith('ptn_') ? 'partner' : 'user';
}

/** What is done with many accounts: they get somebody, they go from one to another, they are let go. */
export const DEEDS = ['transfer', 'assign', 'end'] as const;
export type Deed = (typeof DEEDS)[number];

/** Which accounts: all that match, or those that were ticked. */
export const WAYS = ['match', 'ticked'] as const;
export type Way = (typeof WAYS)[number];

export type Filters = { q?: string; industry?: string; tier?: string; type?: string };

export type Wish = {
  deed: Deed;
  from: string;
  to: string;
  way: Way;
  filters: Filters;
  ticked: readonly string[];
};

/** Most accounts that an order names one by one. */
export const MOST_TICKED = 1_000;

/** What is missing before an order can be planned. */
export type Lack = 'from' | 'to' | 'same' | 'ticked' | 'too_many';

export function lackOf(wish: Wish): Lack | null {
  const { from, to } = holdersOf(wish);
  if (from === '') return 'from';
  if (to === '') return 'to';
  if (from !== undefined && from === to) return 'same';
  if (wish.way === 'ticked' && wish.ticked.length === 0) return 'ticked';
  if (wish.way === 'ticked' && wish.ticked.length > MOST_TICKED) return 'too_many';
  return null;
}

/** The order as the server takes it. Ticked accounts are named; what narrowed their list down does not matter. */
export function orderOf(wish: Wish): AssignmentOrder {
  const { q, industry, tier, type } = wish.way === 'match' ? wish.filters : {};
  const accounts = {
    q: q || null,
    industry: industry || null,
    tier: tier || null,
    type: type || null,
    country: null,
    connection_id: null,
    assigned_to: null,
    ids: wish.way === 'ticked' ? [...wish.ticked] : null,
  };
  return { accounts, ...holdersOf(wish) };
}

/** Only those that the deed asks for: somebody who was chosen for another one is left out. */
function holdersOf({ deed, from, to }: Wish): { from?: string; to?: string } {
  return { ...(deed === 'assign' ? {} : { from }), ...(deed === 'end' ? {} : { to }) };
}
