import { expect, it } from 'vitest';
import { kindOf, lackOf, MOST_TICKED, orderOf, type Wish } from './order';

const ADA = `usr_${'a'.repeat(32)}`;
const NORTH = `tea_${'b'.repeat(32)}`;

const wish: Wish = {
  deed: 'transfer',
  from: ADA,
  to: NORTH,
  way: 'match',
  filters: { tier: 'gold', q: '' },
  ticked: ['acc_1'],
};

it('reads the kind of a holder from the id', () => {
  expect([ADA, NORTH, `ptn_${'c'.repeat(32)}`].map(kindOf)).toEqual(['user', 'team', 'partner']);
});

const none = {
  q: null,
  industry: null,
  tier: null,
  type: null,
  country: null,
  connection_id: null,
  assigned_to: null,
  ids: null,
};

it('sends the filter that is set, and nobody whom the deed does not ask for', () => {
  const accounts = { ...none, tier: 'gold' };
  expect(orderOf(wish)).toEqual({ accounts, from: ADA, to: NORTH });
  expect(orderOf({ ...wish, deed: 'assign' })).toEqual({ accounts, to: NORTH });
  expect(orderOf({ ...wish, deed: 'end' })).toEqual({ accounts, from: ADA });
});

it('names the accounts that were ticked, and leaves the filter out that found them', () => {
  expect(orderOf({ ...wish, way: 'ticked' }).accounts).toEqual({ ...none, ids: ['acc_1'] });
});

it.each([
  [{}, null],
  [{ from: '' }, 'from'],
  [{ from: '', deed: 'assign' as const }, null],
  [{ to: '' }, 'to'],
  [{ to: '', deed: 'end' as const }, null],
  [{ to: ADA }, 'same'],
  [{ way: 'ticked' as const, ticked: [] }, 'ticked'],
  [{ way: 'ticked' as const, ticked: Array.from({ length: MOST_TICKED + 1 }, String) }, 'too_many'],
])('says of %j that it lacks %s', (change, lack) => {
  expect(lackOf({ ...wish, ...change })).toBe(lack);
});
