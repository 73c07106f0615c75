import { screen, waitFor, within } from '@testing-library/react';
import { expect, it } from 'vitest';
import { json, open, page, problem, SESSION, serve } from '#/test/render';

const POLICY = {
  idle_minutes: 30,
  absolute_minutes: 720,
  password_shortest: 10,
  password_kinds: 1,
  password_remembered: 5,
  password_days: null,
  lockout_failures: 20,
  lockout_minutes: 15,
  set_up_hours: 72,
  audit_days: null,
  calls_per_minute: 60_000,
  step_up_minutes: 15,
  device_days: 30,
};

function tagged(body: unknown, tag: string) {
  const response = json(body);
  response.headers.set('etag', `"${tag}"`);
  return response;
}

const base = {
  'GET /api/v1/session': SESSION,
  'GET /api/v1/security': () => tagged(POLICY, '4'),
  'GET /api/v1/security/factors': { required: [] },
};

it('saves the changed rules with the tag they were read with', async () => {
  const asked = serve({
    ...base,
    'PUT /api/v1/security': () => tagged({ ...POLICY, password_shortest: 14, password_days: 90 }, '5'),
  });
  const { user } = await open('/security-rules');
  const shortest = await screen.findByLabelText('Fewest characters');
  const save = screen.getByRole('button', { name: 'Save rules' });
  expect((save as HTMLButtonElement).disabled).toBe(true);
  await user.clear(shortest);
  await user.type(shortest, '14');
  await user.type(screen.getByLabelText('Change it every, in days'), '90');
  expect(screen.getByText('2 changes not saved')).toBeTruthy();
  await user.click(save);
  await waitFor(() => expect(screen.queryByText(/not saved/)).toBeNull());
  const call = asked.find(({ call }) => call === 'PUT /api/v1/security');
  expect(call?.request.headers.get('if-match')).toBe('"4"');
  expect(call?.body).toEqual({ ...POLICY, password_shortest: 14, password_days: 90 });
});

it('does not send what is out of bounds, and keeps it', async () => {
  const asked = serve(base);
  const { user } = await open('/security-rules');
  const shortest = await screen.findByLabelText('Fewest characters');
  await user.clear(shortest);
  await user.type(shortest, '3');
  await user.click(screen.getByRole('button', { name: 'Save rules' }));
  expect(await screen.findByText('Between 8 and 128')).toBeTruthy();
  expect((shortest as HTMLInputElement).value).toBe('3');
  expect(asked.some(({ call }) => call.startsWith('PUT'))).toBe(false);
});

it('says that somebody else changed the rules meanwhile, and keeps what was typed', async () => {
  let policy: object = POLICY;
  serve({
    ...base,
    'GET /api/v1/security': () => tagged(policy, '4'),
    'PUT /api/v1/security': problem(412, 'stale', 'the rules changed'),
  });
  const { user } = await open('/security-rules');
  const idle = await screen.findByLabelText('Idle session, in minutes');
  await user.type(idle, '0');
  await user.click(screen.getByRole('button', { name: 'Save rules' }));
  expect(await screen.findByText('the rules changed')).toBeTruthy();
  expect((idle as HTMLInputElement).value).toBe('300');
  policy = { ...POLICY, password_shortest: 12 };
  await user.click(screen.getByRole('button', { name: 'Load the rules again' }));
  await waitFor(() =>
    expect((screen.getByLabelText('Fewest characters') as HTMLInputElement).value).toBe('12'),
  );
  // What was typed is still there, and nothing else counts as changed.
  expect((idle as HTMLInputElement).value).toBe('300');
  expect(screen.getByText('1 change not saved')).toBeTruthy();
});

it('sets which roles must have a second factor', async () => {
  const rule = { role: 'admin', grace_days: 7, required_since: '2026-11-20T08:00:00Z' };
  const asked = serve({ ...base, 'PUT /api/v1/security/factors': { required: [rule] } });
  const { user } = await open('/security-rules');
  const panel = (await screen.findByRole('heading', { name: 'Who must have a second factor' })).closest(
    'section',
  );
  await user.click(await within(panel as HTMLElement).findByRole('checkbox', { name: 'Admin' }));
  await user.click(screen.getByRole('button', { name: 'Save who must' }));
  await waitFor(() => expect(asked.some(({ call }) => call.startsWith('PUT'))).toBe(true));
  const call = asked.find(({ call }) => call === 'PUT /api/v1/security/factors');
  expect(call?.body).toEqual({ required: [{ role: 'admin', grace_days: 7 }] });
});

it('shows groups and the matrix of roles to who may read users, without what only managers of users do', async () => {
  serve({
    'GET /api/v1/session': { ...SESSION, permissions: ['users.read'] },
    'GET /api/v1/groups': page([]),
    'GET /api/v1/roles': page([
      { role: 'admin', side: 'staff', permissions: ['hub.read', 'hub.operate'] },
      { role: 'viewer', side: 'staff', permissions: ['hub.read'] },
    ]),
  });
  const { router } = await open('/groups');
  expect(await screen.findByText('No groups yet')).toBeTruthy();
  expect(screen.queryByRole('link', { name: 'New group' })).toBeNull();
  await router.navigate({ to: '/roles' });
  const row = (await screen.findByRole('rowheader', { name: 'Set and pause lanes and budgets' })).closest(
    'tr',
  );
  const cells = within(row as HTMLElement).getAllByRole('cell');
  expect(cells.map((cell) => cell.textContent)).toEqual(['Yes', 'No']);
});
