import { expect, it } from 'vitest';
import type { Run, Step } from '#/api/types';
import { axisOf, barsOf, place, ticksOf } from './axis';

const at = (ms: number) => new Date(1_800_000_000_000 + ms).toISOString();
const zero = Date.parse(at(0));
const failure = { class: 'transient' as const, message: 'no answer', code: null, who: 'wait' as const };

const step: Step = {
  seq: 1,
  name: 'ReadPage',
  key: 'page 1',
  kind: 'step',
  state: 'running',
  started_at: at(100),
  finished_at: null,
  took_ms: null,
  attempts: [
    { attempt: 1, started_at: at(100), finished_at: at(200), error: failure, next_at: at(500) },
    { attempt: 2, started_at: at(500), finished_at: null, error: null, next_at: null },
  ],
  output: null,
  truncated: false,
};

it('draws a failed attempt, the wait after it, and the attempt that goes on', () => {
  const bars = barsOf(step, zero + 900).map((bar) => [bar.kind, bar.from - zero, bar.to - zero]);
  expect(bars).toEqual([
    ['failed', 100, 200],
    ['back-off', 200, 500],
    ['running', 500, 900],
  ]);
});

it('draws the wait for an attempt that is still to come', () => {
  const waiting: Step = { ...step, state: 'waiting', attempts: step.attempts.slice(0, 1) };
  expect(barsOf(waiting, zero + 300).at(-1)).toMatchObject({ kind: 'back-off', to: zero + 500 });
});

it('ends at now while the run goes on, and at its end afterwards', () => {
  const run = { created_at: at(0), started_at: at(0), finished_at: null, steps: [step] } as unknown as Run;
  expect(axisOf(run, zero + 2_000)).toEqual({ from: zero, to: zero + 2_000 });
  expect(axisOf({ ...run, finished_at: at(1_000) }, zero + 2_000).to).toBe(zero + 1_000);
});

it('keeps instants outside the axis at its ends', () => {
  const axis = { from: 1_000, to: 2_000 };
  expect([place(axis, 0), place(axis, 1_500), place(axis, 9_000)]).toEqual([0, 50, 100]);
});

it('marks round distances, no more than asked for', () => {
  expect(ticksOf({ from: 0, to: 4_300 }, 5)).toEqual([0, 1_000, 2_000, 3_000, 4_000]);
  expect(ticksOf({ from: 0, to: 400 * 86_400_000 }, 5).length).toBeLessThanOrEqual(6);
});
