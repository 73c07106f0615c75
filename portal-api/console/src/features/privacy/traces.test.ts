import { expect, it } from 'vitest';
import { marks, sum, traces } from './traces';

it('lists what there is in the order a person reads, with what is new to it at the end', () => {
  const destroyed = { zebras: 2, journals: 4, contacts: 1, echoes: 0, suppressions: 3, records: 2 };
  expect(traces(destroyed)).toEqual([
    { kind: 'contacts', count: 1 },
    { kind: 'records', count: 2 },
    { kind: 'journals', count: 4 },
    { kind: 'zebras', count: 2 },
  ]);
  expect(sum(traces(destroyed))).toBe(9);
});

it('tells the marks that keep somebody out from what is destroyed', () => {
  expect(marks({ suppressions: 3 })).toBe(3);
  expect(marks({})).toBe(0);
  expect(traces({ suppressions: 3 })).toEqual([]);
});
