import { expect, it } from 'vitest';
import { byDay, byRoute } from './usage';

const USAGE = [
  { day: '2026-11-20', operation: 'list_runs', calls: 3, refused: 1 },
  { day: '2026-11-20', operation: 'get_run', calls: 5, refused: 0 },
  { day: '2026-11-18', operation: 'list_runs', calls: 4, refused: 0 },
];

it('counts every day, those without calls too, across the end of a month', () => {
  expect(byDay(USAGE, '2026-11-20', 3)).toEqual([
    { day: '2026-11-18', calls: 4, refused: 0 },
    { day: '2026-11-19', calls: 0, refused: 0 },
    { day: '2026-11-20', calls: 8, refused: 1 },
  ]);
  expect(byDay([], '2026-12-01', 2).map(({ day }) => day)).toEqual(['2026-11-30', '2026-12-01']);
});

it('adds the days of an operation up, the most called first', () => {
  expect(byRoute(USAGE)).toEqual([
    { operation: 'list_runs', calls: 7, refused: 1, last: '2026-11-20' },
    { operation: 'get_run', calls: 5, refused: 0, last: '2026-11-20' },
  ]);
});
