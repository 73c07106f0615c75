import { expect, it } from 'vitest';
import { Problem } from './problem';

it('takes its kind from the end of the type', () => {
  expect(new Problem(412, { type: '/problems/stale', title: 'Changed meanwhile' }).slug).toBe('stale');
});

it('gives the messages to the fields of a form', () => {
  const problem = new Problem(422, {
    type: '/problems/invalid-field',
    errors: [
      { pointer: '/config/auth/client_id', message: 'must not be empty' },
      { pointer: '/name', message: 'is taken' },
      { pointer: 7 },
    ],
  });
  expect(problem.byField()).toEqual({ 'config.auth.client_id': 'must not be empty', name: 'is taken' });
  expect(problem.byField('config.')).toEqual({ 'auth.client_id': 'must not be empty' });
  expect(problem.byField()).toBe(problem.byField());
});

it('has a title even when the answer was no problem at all', () => {
  expect(new Problem(502, {}).message).toBe('HTTP 502');
});
