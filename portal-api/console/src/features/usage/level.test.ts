import { expect, it } from 'vitest';
import { levelOf, shareOf, tightest } from './level';

const usage = (records: [number, number | null], calls: [number, number | null] = [0, null]) => ({
  records: { used: records[0], limit: records[1] },
  connections: { used: 1, limit: null },
  storage: { used: 0, limit: null },
  calls_today: { used: calls[0], limit: calls[1] },
  counted_at: null,
});

it.each([
  [0, 10, 'fine'],
  [7, 10, 'fine'],
  [8, 10, 'tight'],
  [10, 10, 'full'],
  [12, 10, 'full'],
  [0, 0, 'full'],
  [1_000_000, null, 'fine'],
] as const)('takes %d of %s for %s', (used, limit, level) => {
  expect(levelOf({ used, limit })).toBe(level);
});

it('has no share where there is no quota', () => {
  expect(shareOf({ used: 5, limit: null })).toBeNull();
  expect(shareOf({ used: 5, limit: 20 })).toBe(0.25);
});

it('names what is nearest to its quota', () => {
  expect(tightest(usage([5, null]))).toBeNull();
  expect(tightest(usage([5, 10], [90, 100]))).toMatchObject({ measure: 'calls_today', share: 0.9 });
  expect(tightest(usage([5, 10], [5, 100]))).toMatchObject({ measure: 'records', share: 0.5 });
});
