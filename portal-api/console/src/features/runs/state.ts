import type { RunRow, Step } from '#/api/types';
import type { Status } from '#/ui/status-pill';

export const RUN_STATES = [
  'queued',
  'running',
  'waiting',
  'succeeded',
  'partial',
  'failed',
  'parked',
  'cancelled',
] as const satisfies readonly RunRow['state'][];

export const RUN_STATUS: Record<RunRow['state'], Status> = {
  queued: 'queued',
  running: 'running',
  waiting: 'waiting',
  succeeded: 'succeeded',
  partial: 'partial',
  failed: 'failed',
  parked: 'paused',
  cancelled: 'off',
};

export const STEP_STATUS: Record<Step['state'], Status> = {
  done: 'succeeded',
  failed: 'failed',
  running: 'running',
  waiting: 'waiting',
};

/** Nothing more happens to it by itself. */
export function isOver(state: RunRow['state']): boolean {
  return state === 'succeeded' || state === 'partial' || state === 'failed' || state === 'cancelled';
}

export function canCancel(state: RunRow['state']): boolean {
  return !isOver(state);
}

export function canRetry(state: RunRow['state']): boolean {
  return state === 'failed' || state === 'partial' || state === 'parked' || state === 'cancelled';
}
