import { screen, waitFor, within } from '@testing-library/react';
import { expect, it } from 'vitest';
import { open, page, problem, SESSION, serve } from '#/test/render';

const ACC = `acc_${'a'.repeat(32)}`;
const TEA = `tea_${'b'.repeat(32)}`;
const PTN = `ptn_${'c'.repeat(32)}`;
const ASG = `asg_${'d'.repeat(32)}`;

const held = {
  id: ASG,
  kind: 'team',
  holder_id: TEA,
  name: 'North',
  assigned_at: '2026-11-20T08:00:00Z',
  assigned_by: 'usr_1',
  ended_at: null as string | null,
  ended_by: null as string | null,
};
const past = {
  ...held,
  id: `asg_${'e'.repeat(32)}`,
  kind: 'partner',
  holder_id: PTN,
  name: 'Fjord',
  ended_at: '2026-11-20T08:00:00Z',
  ended_by: 'usr_1',
};
const team = { id: TEA, name: 'North', members: [], accounts: 1, version: 1, created_at: held.assigned_at };
const partner = { id: PTN, name: 'Fjord', users: 0, accounts: 0, version: 1, created_at: held.assigned_at };
const base = {
  'GET /api/v1/session': SESSION,
  [`GET /api/v1/accounts/${ACC}`]: { id: ACC, version: 1, fields: { name: 'Acme' }, links: [] },
  [`GET /api/v1/accounts/${ACC}/provenance`]: { fields: [], systems: [], connections: [] },
  [`GET /api/v1/accounts/${ACC}/timeline`]: page([]),
  [`GET /api/v1/accounts/${ACC}/assignments`]: page([held, past]),
  'GET /api/v1/users/usr_1': { id: 'usr_1', name: 'Admin' },
  'GET /api/v1/users': page([]),
  'GET /api/v1/teams': page([team]),
  'GET /api/v1/partners': page([partner]),
};

it('shows who looks after an account and who did', async () => {
  serve(base);
  const { user } = await open(`/accounts/${ACC}?tab=holders`);
  expect(await screen.findByRole('link', { name: 'North' })).toBeTruthy();
  expect(screen.queryByText('Fjord')).toBeNull();
  await user.click(screen.getByRole('button', { name: 'Show 1 who did before' }));
  expect(screen.getByRole('link', { name: 'Fjord' })).toBeTruthy();
});

it('assigns to one who does not have it yet, and ends an assignment with a way back', async () => {
  const asked = serve({
    ...base,
    [`POST /api/v1/accounts/${ACC}/assignments`]: page([{ ...past, ended_at: null }, held]),
    [`DELETE /api/v1/accounts/${ACC}/assignments/${ASG}`]: new Response(null, { status: 204 }),
  });
  const { user } = await open(`/accounts/${ACC}?tab=holders`);
  await screen.findByRole('link', { name: 'North' });
  await user.click(screen.getByRole('combobox', { name: 'Assign to' }));
  const options = within(await screen.findByRole('listbox')).getAllByRole('option');
  expect(options.map((option) => option.textContent)).toEqual(['Fjord · partner']);
  await user.click(options[0] as HTMLElement);
  const sent = (verb: string) => asked.filter(({ call }) => call.startsWith(verb));
  await waitFor(() => expect(sent('POST')).toHaveLength(1));
  expect(sent('POST')[0]?.body).toEqual({ to: PTN });
  await user.click(await screen.findByRole('button', { name: 'End: North' }));
  await waitFor(() => expect(sent('DELETE')).toHaveLength(1));
  await user.click(await screen.findByRole('button', { name: 'Undo' }));
  await waitFor(() => expect(sent('POST')).toHaveLength(2));
  expect(sent('POST')[1]?.body).toEqual({ to: TEA });
});

it('says why an assignment did not end, and keeps it', async () => {
  serve({
    ...base,
    [`DELETE /api/v1/accounts/${ACC}/assignments/${ASG}`]: problem(404, 'not-found', 'assignment is gone'),
  });
  const { user } = await open(`/accounts/${ACC}?tab=holders`);
  await user.click(await screen.findByRole('button', { name: 'End: North' }));
  expect(await screen.findByText('assignment is gone')).toBeTruthy();
  expect(screen.getByRole('link', { name: 'North' })).toBeTruthy();
});

it('lets those only look who may not assign', async () => {
  const permissions = ['records.read'];
  serve({ ...base, 'GET /api/v1/session': { ...SESSION, permissions } });
  await open(`/accounts/${ACC}?tab=holders`);
  expect(await screen.findByText('North')).toBeTruthy();
  expect(screen.queryByRole('link', { name: 'North' })).toBeNull();
  expect(screen.queryByRole('button', { name: 'End: North' })).toBeNull();
  expect(screen.queryByRole('combobox')).toBeNull();
});
