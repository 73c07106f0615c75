import type { Run, Step } from '#/api/types';

/** A stretch of time in a step's row, in ms since the epoch. */
export type Bar = {
  from: number;
  to: number;
  kind: 'done' | 'failed' | 'running' | 'waiting' | 'back-off';
  attempt: number;
};

export type Axis = { from: number; to: number };

/** The time a run covers: from its start to its end, or to now while it goes on. */
export function axisOf(run: Run, now: number): Axis {
  const starts = run.steps.map((step) => Date.parse(step.started_at));
  const from = Math.min(Date.parse(run.started_at ?? run.created_at), ...starts);
  let to = run.finished_at ? Date.parse(run.finished_at) : now;
  for (const step of run.steps) {
    if (step.finished_at) to = Math.max(to, Date.parse(step.finished_at));
    const next = run.finished_at ? null : step.attempts.at(-1)?.next_at;
    if (next) to = Math.max(to, Date.parse(next));
  }
  return { from, to: Math.max(to, from + 10) };
}

/** What is drawn for a step: each attempt, and the wait after it until the next. */
export function barsOf(step: Step, now: number): Bar[] {
  const bars: Bar[] = [];
  const end = step.finished_at ? Date.parse(step.finished_at) : now;
  if (step.attempts.length === 0) {
    return [{ from: Date.parse(step.started_at), to: end, kind: step.state, attempt: 1 }];
  }
  step.attempts.forEach((attempt, at) => {
    const from = Date.parse(attempt.started_at);
    const to = attempt.finished_at ? Date.parse(attempt.finished_at) : end;
    const open = attempt.finished_at == null;
    bars.push({
      from,
      to,
      kind: attempt.error ? 'failed' : open ? step.state : 'done',
      attempt: attempt.attempt,
    });
    const following = step.attempts[at + 1];
    const until = following
      ? Date.parse(following.started_at)
      : attempt.next_at
        ? Date.parse(attempt.next_at)
        : null;
    if (attempt.error && until !== null && until > to)
      bars.push({ from: to, to: until, kind: 'back-off', attempt: attempt.attempt });
  });
  return bars;
}

/** Where an instant lies on the axis, 0 to 100. */
export function place(axis: Axis, at: number): number {
  return Math.min(100, Math.max(0, ((at - axis.from) / (axis.to - axis.from)) * 100));
}

const STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000,
  600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000,
];

/** Round distances from the start, at most `most` of them. */
export function ticksOf(axis: Axis, most: number): number[] {
  const length = axis.to - axis.from;
  const step =
    STEPS.find((size) => length / size <= most) ?? Math.ceil(length / most / 86_400_000) * 86_400_000;
  return Array.from({ length: Math.floor(length / step) + 1 }, (_, at) => at * step);
}
