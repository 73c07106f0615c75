import { expect, it } from 'vitest';
import type { SecurityPolicy } from '#/api/types';
import { larger, PARTS, policyOf, typedOf, wrong } from './parts';

const POLICY: SecurityPolicy = {
  idle_minutes: 30,
  absolute_minutes: 720,
  password_shortest: 10,
  password_kinds: 1,
  password_remembered: 5,
  password_days: null,
  lockout_failures: 20,
  lockout_minutes: 15,
  set_up_hours: 72,
  audit_days: null,
  calls_per_minute: 60_000,
  step_up_minutes: 15,
  device_days: 30,
};

it('shows every value of the policy once and reads back what it shows', () => {
  const names = PARTS.flatMap((part) => part.fields.map(({ name }) => name));
  expect(names.toSorted()).toEqual(Object.keys(POLICY).toSorted());
  expect(policyOf(POLICY, typedOf(POLICY))).toEqual(POLICY);
  expect(policyOf(POLICY, { ...typedOf(POLICY), password_days: '90' }).password_days).toBe(90);
});

it('takes an empty field only where that means never', () => {
  const open = { name: 'password_days', least: 1, most: 3_650, open: true } as const;
  expect(wrong(open, '')).toBeNull();
  expect(wrong({ ...open, open: false }, '')).toBe('required');
  for (const text of ['0', '3651', '1.5', 'x']) expect(wrong(open, text)).toBe('between');
  expect(wrong(open, '3650')).toBeNull();
});

it.each([
  ['720', 'minutes', { count: 12, unit: 'hours' }],
  ['1440', 'minutes', { count: 1, unit: 'days' }],
  ['72', 'hours', { count: 3, unit: 'days' }],
  ['30', 'minutes', null],
  ['30', 'days', null],
  ['', 'minutes', null],
] as const)('says %s %s in the largest unit that fits', (text, unit, said) => {
  expect(larger(text, unit)).toEqual(said);
});
