import { expect, it } from 'vitest';
import { ROLES } from '#/features/access/permissions';
import { fitting, scopesOf, sideOf } from './belonging';

it('knows from where people of each role come', () => {
  const of = (side: string) => ROLES.filter((role) => sideOf(role) === side);
  expect(of('partner')).toEqual(['partner']);
  expect(of('customer')).toEqual(['customer_admin', 'customer_manager', 'customer_user']);
  expect(of('staff')).toHaveLength(ROLES.length - 4);
});

it('offers nobody from outside to see all', () => {
  expect(scopesOf('partner')).not.toContain('all');
  expect(scopesOf('customer_user')).toEqual(['own']);
  expect(scopesOf('csm')).toEqual(['all', 'team', 'assigned']);
});

it('keeps with another role only what fits it', () => {
  const was = { scope: 'team', partner_id: 'ptn_1', account_id: null };
  expect(fitting('partner', was)).toEqual(was);
  expect(fitting('manager', was)).toEqual({ ...was, partner_id: null });
  expect(fitting('customer_user', was)).toEqual({ scope: null, partner_id: null, account_id: null });
  const customer = { scope: null, partner_id: null, account_id: 'acc_1' };
  expect(fitting('customer_admin', customer)).toEqual(customer);
  expect(fitting('viewer', { ...customer, scope: 'own' })).toEqual({ ...customer, account_id: null });
});
