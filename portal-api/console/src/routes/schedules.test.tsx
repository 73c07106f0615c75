import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { beforeEach, expect, it, vi } from 'vitest';
import { open, page, problem, SESSION, serve } from '#/test/render';

const ID = `sch_${'0'.repeat(32)}`;
const CON = `con_${'1'.repeat(32)}`;

const schedule = {
  id: ID,
  name: 'Account every 5 minutes',
  workflow: 'pull_stream',
  connection_id: CON,
  stream: 'Account',
  cron: '*/5 * * * *',
  time_zone: 'UTC',
  gap: 'run_after',
  repeat: 'once',
  starts_at: null,
  ends_at: null,
  jitter_seconds: 30,
  overlap: 'skip',
  catch_up: 'one',
  catch_up_limit: 10,
  paused: false,
  paused_by: null,
  paused_reason: null,
  paused_at: null,
  ended: false,
  next: [5, 10, 15, 20, 25].map((minute) => `2026-05-01T10:${String(minute).padStart(2, '0')}:07Z`),
  last_at: null,
  last_run_id: null,
  version: 4,
};
const paused = {
  ...schedule,
  paused: true,
  paused_by: 'stream',
  paused_reason: 'the stream is switched off',
  paused_at: '2026-05-01T09:00:00Z',
  next: [],
};

// Hundreds of zones in a list make each look for a role slow.
beforeEach(() => {
  vi.spyOn(Intl, 'supportedValuesOf').mockReturnValue(['Europe/Berlin']);
});

const base = {
  'GET /api/v1/session': SESSION,
  'GET /api/v1/connections': page([]),
};
const one = `/api/v1/schedules/${ID}`;

it('shows the next five times and leaves out the first of them when asked to', async () => {
  const skipped = { ...schedule, next: schedule.next.slice(1) };
  const asked = serve({ ...base, [`GET ${one}`]: schedule, [`POST ${one}/skip`]: skipped });
  const { user } = await open(`/schedules/${ID}`);
  const times = (await screen.findByRole('heading', { name: 'Next five times' })).closest('section');
  const list = within(times as HTMLElement);
  expect(list.getAllByRole('listitem')).toHaveLength(5);
  await user.click(screen.getByRole('button', { name: 'Skip next' }));
  await waitFor(() => expect(list.getAllByRole('listitem')).toHaveLength(4));
  const call = asked.find(({ call }) => call === `POST ${one}/skip`);
  expect(call?.body).toEqual({ at: schedule.next[0] });
});

it('reads again when the time to skip is not the next one any more', async () => {
  const refusal = problem(409, 'conflict', 'schedule fires next at another time');
  const asked = serve({ ...base, [`GET ${one}`]: schedule, [`POST ${one}/skip`]: refusal });
  const { user } = await open(`/schedules/${ID}`);
  const read = () => asked.filter(({ call }) => call === `GET ${one}`).length;
  const button = await screen.findByRole('button', { name: 'Skip next' });
  const before = read();
  await user.click(button);
  await waitFor(() => expect(read()).toBeGreaterThan(before));
});

it('saves what happens on overlap and after a stop', async () => {
  const asked = serve({ ...base, [`GET ${one}`]: schedule, [`PATCH ${one}`]: { ...schedule, version: 5 } });
  const { user } = await open(`/schedules/${ID}`);
  await user.click(await screen.findByLabelText(/If the last one still runs/, { selector: 'button' }));
  await user.click(await screen.findByText('Wait its turn', { selector: '[role=option] *' }));
  await user.click(screen.getByLabelText(/After a stop/, { selector: 'button' }));
  await user.click(await screen.findByText('Start for each', { selector: '[role=option] *' }));
  fireEvent.change(screen.getByLabelText('Missed times, at most'), { target: { value: '25' } });
  await user.click(screen.getByText('Save'));
  await waitFor(() => expect(asked.some(({ call }) => call === `PATCH ${one}`)).toBe(true));
  const call = asked.find(({ call }) => call === `PATCH ${one}`);
  expect(call?.body).toMatchObject({ overlap: 'queue', catch_up: 'all', catch_up_limit: 25 });
});

it('saves the spread, and why it pauses', async () => {
  const asked = serve({ ...base, [`GET ${one}`]: schedule, [`PATCH ${one}`]: { ...schedule, version: 5 } });
  const { user } = await open(`/schedules/${ID}`);
  const jitter = await screen.findByLabelText('Spread, in seconds');
  fireEvent.change(jitter, { target: { value: '60s' } });
  expect(screen.queryByLabelText('Reason for the pause')).toBeNull();
  await user.click(screen.getByText('Paused: start nothing'));
  fireEvent.change(screen.getByLabelText('Reason for the pause'), { target: { value: 'moving house' } });
  await user.click(screen.getByText('Save'));
  await waitFor(() => expect(asked.some(({ call }) => call === `PATCH ${one}`)).toBe(true));
  const call = asked.find(({ call }) => call === `PATCH ${one}`);
  expect(call?.request.headers.get('if-match')).toBe('"4"');
  expect(call?.body).toEqual({
    name: schedule.name,
    cron: schedule.cron,
    time_zone: 'UTC',
    gap: 'run_after',
    repeat: 'once',
    jitter_seconds: 60,
    overlap: 'skip',
    catch_up: 'one',
    catch_up_limit: 10,
    paused: true,
    paused_reason: 'moving house',
  });
});

it('shows where the server refuses a choice', async () => {
  const message = 'all missed firings can only be caught up one after the other';
  const errors = [{ pointer: '/catch_up', message }];
  const refusal = problem(422, 'invalid-field', message, { errors });
  serve({ ...base, [`GET ${one}`]: schedule, [`PATCH ${one}`]: refusal });
  const { user } = await open(`/schedules/${ID}`);
  await user.click(await screen.findByRole('button', { name: 'Save' }));
  expect((await screen.findAllByText(message)).length).toBeGreaterThan(0);
});

it('says who paused it and why, and has nothing to skip then', async () => {
  serve({ ...base, [`GET ${one}`]: paused });
  await open(`/schedules/${ID}`);
  expect(await screen.findByText('Its stream')).toBeTruthy();
  expect(screen.getByText('the stream is switched off')).toBeTruthy();
  expect(screen.queryByRole('button', { name: 'Skip next' })).toBeNull();
});

it('says of one without a time left that it never starts again', async () => {
  serve({ ...base, [`GET ${one}`]: { ...schedule, ended: true, next: [] } });
  await open(`/schedules/${ID}`);
  expect(await screen.findByText('No time is left: it never starts again.')).toBeTruthy();
  expect(screen.getByText('Ended')).toBeTruthy();
});
