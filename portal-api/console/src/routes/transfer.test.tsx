import { screen, waitFor, within } from '@testing-library/react';
import { expect, it } from 'vitest';
import { open, page, problem, SESSION, serve } from '#/test/render';

const NORTH = `tea_${'a'.repeat(32)}`;
const SOUTH = `tea_${'b'.repeat(32)}`;
const ACC = `acc_${'e'.repeat(32)}`;

const team = (id: string, name: string) => ({
  id,
  name,
  members: [],
  accounts: 2,
  version: 1,
  created_at: '2026-11-01T08:00:00Z',
});
const plan = { accounts: 2, made: 1, ended: 2, digest: 'd1' };
const base = {
  'GET /api/v1/session': SESSION,
  'GET /api/v1/teams': page([team(NORTH, 'North'), team(SOUTH, 'South')]),
  'GET /api/v1/partners': page([]),
  'GET /api/v1/users': page([]),
  'GET /api/v1/fields/account': [],
  'GET /api/v1/accounts': page([{ id: ACC, name: 'Acme', industry: null, billing_city: null }]),
  'POST /api/v1/assignments/plan': plan,
};
const rest = {
  q: null,
  industry: null,
  tier: null,
  type: null,
  country: null,
  connection_id: null,
  assigned_to: null,
};

it('shows the plan with its count, and carries out that one', async () => {
  const asked = serve({ ...base, 'POST /api/v1/assignments': plan });
  const { user } = await open(`/assignments?from=${NORTH}&to=${SOUTH}&tier=gold`);
  await screen.findByRole('link', { name: 'Acme' });
  expect(asked.some(({ request }) => request.url.includes(`assigned_to=${NORTH}`))).toBe(true);
  await user.click(screen.getByRole('button', { name: 'Show the plan' }));
  const dialog = await screen.findByRole('dialog', { name: 'Transfer to another' });
  expect(dialog.textContent).toContain('2 accounts go from North to South.');
  expect(dialog.textContent).toContain('1 assignment is made.');
  expect(dialog.textContent).toContain('2 assignments end.');
  expect(asked.some(({ call }) => call === 'POST /api/v1/assignments')).toBe(false);
  await user.click(within(dialog).getByRole('button', { name: 'Transfer 2 accounts' }));
  expect(await screen.findByText(/Transferred from North to South: 2 accounts/)).toBeTruthy();
  const order = asked.find(({ call }) => call === 'POST /api/v1/assignments');
  const accounts = { ...rest, tier: 'gold', ids: null };
  expect(order?.body).toEqual({ accounts, from: NORTH, to: SOUTH, digest: 'd1' });
});

it('plans again where the plan is not true any more', async () => {
  let round = 0;
  const asked = serve({
    ...base,
    'POST /api/v1/assignments/plan': () => {
      round += 1;
      return { ...plan, accounts: 3 - round, digest: `d${round}` };
    },
    'POST /api/v1/assignments': () =>
      round === 1
        ? problem(412, 'stale', 'the accounts are not those of the plan any more: plan again')
        : plan,
  });
  const { user } = await open(`/assignments?from=${NORTH}&to=${SOUTH}`);
  await user.click(await screen.findByRole('button', { name: 'Show the plan' }));
  const dialog = await screen.findByRole('dialog');
  await user.click(await within(dialog).findByRole('button', { name: 'Transfer 2 accounts' }));
  expect((await within(dialog).findByRole('alert')).textContent).toContain('not those of the plan');
  await user.click(within(dialog).getByRole('button', { name: 'Plan again' }));
  await user.click(await within(dialog).findByRole('button', { name: 'Transfer 1 account' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  const digests = asked
    .filter(({ call }) => call === 'POST /api/v1/assignments')
    .map(({ body }) => (body as { digest: string }).digest);
  expect(digests).toEqual(['d1', 'd2']);
});

it('names the accounts that were ticked, and says what is missing before', async () => {
  const asked = serve(base);
  const { user } = await open(`/assignments?deed=assign&way=ticked&to=${SOUTH}`);
  const show = await screen.findByRole('button', { name: 'Show the plan' });
  expect(screen.getByText('Choose accounts from the list.')).toBeTruthy();
  expect((show as HTMLButtonElement).disabled).toBe(true);
  await user.click(await screen.findByRole('checkbox', { name: 'Choose Acme' }));
  expect(screen.getByText('1 account chosen')).toBeTruthy();
  await user.click(show);
  await screen.findByRole('dialog', { name: 'Assign to somebody' });
  const planned = asked.find(({ call }) => call === 'POST /api/v1/assignments/plan');
  expect(planned?.body).toEqual({ accounts: { ...rest, ids: [ACC] }, to: SOUTH });
});

it('shows no accounts before somebody is chosen whose they are', async () => {
  const asked = serve(base);
  await open('/assignments');
  expect(await screen.findByText('Choose from whom')).toBeTruthy();
  expect(asked.some(({ call }) => call === 'GET /api/v1/accounts')).toBe(false);
});
