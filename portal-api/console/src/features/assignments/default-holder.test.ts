import { expect, it } from 'vitest';
import { SESSION } from '#/test/render';
import { defaultHolder, EVERYBODY, holderOf } from './default-holder';

const session = (role: string, scope: string) => ({
  user: { ...SESSION.user, role: role as 'csm', factor_due: null },
  scope,
});

it('begins with their own for a success manager who sees all, and with all for the others', () => {
  expect(defaultHolder(session('csm', 'all'))).toBe('me');
  for (const other of [
    session('csm', 'team'),
    session('manager', 'all'),
    session('partner', 'assigned'),
    null,
  ])
    expect(defaultHolder(other)).toBeUndefined();
});

it('takes what the address says before that, all of them too', () => {
  expect(holderOf(undefined, 'me')).toBe('me');
  expect(holderOf(EVERYBODY, 'me')).toBeUndefined();
  expect(holderOf('nobody', 'me')).toBe('nobody');
  expect(holderOf(undefined, undefined)).toBeUndefined();
});
