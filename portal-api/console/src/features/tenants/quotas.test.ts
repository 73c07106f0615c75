import { expect, it } from 'vitest';
import { quotaOf, quotasOf, typedOf } from './quotas';

const QUOTAS = { records: 1_000, connections: null, storage: 12_345_678, calls_per_day: 0 };

it('shows quotas as they can be typed, and no limit as nothing', () => {
  expect(typedOf(QUOTAS)).toEqual({
    records: '1000',
    connections: '',
    storage: '12.345678',
    calls_per_day: '0',
  });
  expect(typedOf({ ...QUOTAS, storage: 5_000_000 }).storage).toBe('5');
  expect(typedOf({ ...QUOTAS, storage: 1 }).storage).toBe('0.000001');
});

it.each([1, 999_999, 1_000_000, 12_345_678, 9_007_199_254_740_991])('reads %d bytes back', (storage) => {
  expect(quotaOf('storage', typedOf({ ...QUOTAS, storage }).storage)).toBe(storage);
});

it('takes empty for no limit, and nothing else that is no number', () => {
  expect(quotaOf('records', ' ')).toBeNull();
  expect(quotaOf('records', '0')).toBe(0);
  expect(quotaOf('storage', '1,5')).toBe(1_500_000);
  for (const text of ['-1', '1.5', '1e3', 'x', '9'.repeat(30)])
    expect(quotaOf('records', text)).toBeUndefined();
  for (const text of ['.5', '1.2345678', '-1']) expect(quotaOf('storage', text)).toBeUndefined();
});

it('changes what was typed and leaves the rest', () => {
  expect(quotasOf(QUOTAS, { records: '', connections: '3' })).toEqual({
    ...QUOTAS,
    records: null,
    connections: 3,
  });
  expect(quotasOf(QUOTAS, { records: 'x' })).toBeNull();
});
