import { screen, within } from '@testing-library/react';
import { expect, it } from 'vitest';
import { open, page, SESSION, serve } from '#/test/render';

const ID = `run_${'0'.repeat(32)}`;

const lane = {
  kind: 'tenant',
  name: 'all',
  max_running: null,
  weight: null,
  paused: null,
  closed: null,
  running: 0,
  waiting: 1,
};

const run = {
  id: ID,
  workflow: 'pull_stream',
  version: 1,
  state: 'queued',
  subject: 'Salesforce · Account',
  connection_id: null,
  stream: 'Account',
  key: 'pull/Account',
  trigger: 'manual',
  forked_from: null,
  deadline: null,
  attempt: 1,
  created_at: '2026-05-01T00:00:00Z',
  started_at: null,
  finished_at: null,
  due_at: '2026-05-01T00:00:00Z',
  progress: null,
  error: null,
  counts: null,
  input: null,
  output: null,
  parent_id: null,
  children: 0,
  cancel_requested: false,
  held_by: [],
  trace: null,
  steps: [],
};

const base = {
  'GET /api/v1/session': SESSION,
  'GET /api/v1/connections': page([]),
};

async function shown(held_by: object[]) {
  serve({ ...base, [`GET /api/v1/runs/${ID}`]: { ...run, held_by } });
  await open(`/runs/${ID}`);
  const heading = await screen.findByRole('heading', { name: 'What it waits for' });
  return within(heading.closest('section') as HTMLElement);
}

it('says which lanes a queued run waits behind, who said so and until when', async () => {
  const held = await shown([
    { ...lane, paused: { since: '2026-05-01T00:00:00Z', by: 'Ann', reason: 'their system moves' } },
    {
      ...lane,
      kind: 'connection',
      name: `con_${'1'.repeat(32)}`,
      closed: { until: '2026-05-01T01:00:00Z', reason: 'limit of the account is reached' },
    },
    { ...lane, kind: 'key', name: 'pull/Account', running: 1, waiting: 2 },
    { ...lane, kind: 'workflow', name: 'pull_stream', max_running: 3, running: 3, waiting: 1 },
  ]);
  expect(held.getByText('All runs')).toBeTruthy();
  expect(held.getByText(/Paused by Ann/).textContent).toContain('their system moves');
  expect(held.getByText('Its connection')).toBeTruthy();
  expect(held.getByText(/Closed until/).textContent).toContain('limit of the account is reached');
  expect(held.getByText('1 of 1 at once are under way, 2 wait')).toBeTruthy();
  expect(held.getByText('Runs of Pull')).toBeTruthy();
  expect(held.getByText('3 of 3 at once are under way, 1 waits')).toBeTruthy();
});

it('says nothing of lanes when none holds the run', async () => {
  serve({ ...base, [`GET /api/v1/runs/${ID}`]: run });
  await open(`/runs/${ID}`);
  await screen.findByText('No steps');
  expect(screen.queryByText('What it waits for')).toBeNull();
});
