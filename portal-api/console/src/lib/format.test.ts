import { expect, it } from 'vitest';
import { formatAge, formatBytes, formatDecimal, formatDuration, formatUtc } from './format';

it.each([
  ['1000000.50', '1 000 000.50'],
  ['-12345678901234567890.123456789', '-12 345 678 901 234 567 890.123456789'],
  ['999', '999'],
  ['not a number', 'not a number'],
])('groups the digits of %s and keeps every one', (value, text) => {
  expect(formatDecimal(value).replaceAll(/\s/g, ' ')).toBe(text);
});

it.each([
  [12, '12 ms'],
  [1_240, '1.2 s'],
  [185_000, '3 min 05 s'],
  [7_620_000, '2 h 07 min'],
])('says %d ms as %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

it('counts ages in the largest unit that fits', () => {
  const now = Date.parse('2026-05-02T00:00:00Z');
  expect(formatAge('2026-05-01T23:58:00Z', now)).toBe('2 min. ago');
  expect(formatAge('2026-05-02T03:00:00Z', now)).toBe('in 3 hr.');
});

it('shows UTC to the second', () => {
  expect(formatUtc('2026-05-01T22:51:36.789Z')).toBe('2026-05-01 22:51:36 UTC');
});

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1_000, '1 kB'],
  [12_345, '12.3 kB'],
  [999_999, '1 MB'],
  [4_200_000_000, '4.2 GB'],
])('says %d bytes as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});
