import { expect, it } from 'vitest';
import { daysOf, isDays, shorter, typedOf } from './days';

it('shows what is kept for ever as an empty field, and sends nothing for it', () => {
  const typed = typedOf({ history: 365, mails: 30 });
  expect(typed).toEqual({
    history: '365',
    previews: '',
    withheld: '',
    conflicts: '',
    matches: '',
    links: '',
    writes: '',
    mails: '30',
  });
  expect(daysOf({}, { ...typed, mails: '', writes: '7' })).toEqual({ history: 365, writes: 7 });
});

it('leaves kinds alone that it does not know', () => {
  expect(daysOf({ tickets: 9, history: 1 }, typedOf({ history: 2 }))).toEqual({ tickets: 9, history: 2 });
});

it.each([
  ['', true],
  ['1', true],
  ['36500', true],
  ['0', false],
  ['36501', false],
  ['a week', false],
])('takes %j for days: %s', (text, taken) => {
  expect(isDays(text)).toBe(taken);
});

it('names what would be kept shorter than it was', () => {
  const before = typedOf({ history: 365, writes: 30 });
  const now = typedOf({ history: 400, writes: 7, mails: 90 });
  expect(shorter(before, now)).toEqual(['writes', 'mails']);
});
