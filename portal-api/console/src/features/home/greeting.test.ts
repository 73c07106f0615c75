import { expect, it } from 'vitest';
import { greetingOf } from './greeting';

const acme = { name: 'Acme' };

it('greets a customer with their account and a partner with the number of theirs', () => {
  expect(greetingOf('own', 1, [acme])).toEqual({ word: 'greeting_own', values: { name: 'Acme' } });
  expect(greetingOf('assigned', 12, [acme])).toEqual({ word: 'greeting_some', values: { count: 12 } });
});

it('says nothing while it does not know, and that there is nothing once it does', () => {
  expect(greetingOf('own', undefined, [])).toBeNull();
  expect(greetingOf('own', 0, [])?.word).toBe('greeting_none');
  expect(greetingOf('assigned', 0, [])?.word).toBe('greeting_none');
});
