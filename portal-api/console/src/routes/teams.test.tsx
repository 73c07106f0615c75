import { screen, waitFor, within } from '@testing-library/react';
import { expect, it } from 'vitest';
import { open, page, problem, SESSION, serve } from '#/test/render';

const TEA = `tea_${'a'.repeat(32)}`;
const PTN = `ptn_${'b'.repeat(32)}`;
const ADA = `usr_${'c'.repeat(32)}`;
const BEN = `usr_${'d'.repeat(32)}`;

const team = {
  id: TEA,
  name: 'North',
  members: [{ user_id: ADA, lead: true }],
  accounts: 2,
  version: 4,
  created_at: '2026-11-01T08:00:00Z',
};
const partner = { id: PTN, name: 'Fjord', users: 1, accounts: 0, version: 2, created_at: team.created_at };
const person = (id: string, name: string) => ({
  id,
  email: `${name.toLowerCase()}@example.com`,
  name,
  role: 'csm',
  state: 'active',
  locked_until: null,
});
const account = { id: `acc_${'e'.repeat(32)}`, name: 'Acme', industry: 'Energy', billing_city: 'Oslo' };

const base = {
  'GET /api/v1/session': SESSION,
  'GET /api/v1/teams': page([team]),
  'GET /api/v1/partners': page([partner]),
  [`GET /api/v1/teams/${TEA}`]: team,
  [`GET /api/v1/partners/${PTN}`]: partner,
  'GET /api/v1/accounts': page([account]),
  'GET /api/v1/users': (request: Request) =>
    page(request.url.includes('team=') ? [person(ADA, 'Ada')] : [person(ADA, 'Ada'), person(BEN, 'Ben')]),
};

it('lists teams with how many look after how much', async () => {
  serve(base);
  await open('/teams');
  const row = (await screen.findByRole('link', { name: 'North' })).closest('[role="row"]');
  expect(row?.textContent).toContain('North12');
});

it('says what a team is for while there is none', async () => {
  serve({ ...base, 'GET /api/v1/teams': page([]) });
  await open('/teams');
  expect(await screen.findByText('No teams yet')).toBeTruthy();
  expect(screen.getAllByRole('link', { name: 'New team' }).length).toBeGreaterThan(0);
});

it('adds a member and a lead, with the version that was read', async () => {
  const asked = serve({ ...base, [`PUT /api/v1/teams/${TEA}`]: team });
  const { user } = await open(`/teams/${TEA}`);
  await user.click(await screen.findByRole('combobox', { name: 'Add a member' }));
  await user.click(await screen.findByRole('option', { name: /Ben/ }));
  const sent = () => asked.filter(({ call }) => call.startsWith('PUT'));
  await waitFor(() => expect(sent()).toHaveLength(1));
  expect(sent()[0]?.request.headers.get('if-match')).toBe('"4"');
  const ada = { user_id: ADA, lead: true };
  expect(sent()[0]?.body).toEqual({ name: 'North', members: [ada, { user_id: BEN, lead: false }] });
  await user.click(screen.getByRole('checkbox', { name: 'Leads' }));
  await waitFor(() => expect(sent()).toHaveLength(2));
  expect(sent()[1]?.body).toEqual({ name: 'North', members: [{ user_id: ADA, lead: false }] });
});

it('keeps a name that is taken in its field', async () => {
  serve({ ...base, 'POST /api/v1/teams': problem(409, 'conflict', 'a team has this name already') });
  const { user } = await open('/teams/new');
  const name = await screen.findByLabelText(/Name/);
  await user.type(name, 'North');
  await user.click(screen.getByRole('button', { name: 'Create team' }));
  expect(await screen.findByText('a team has this name already')).toBeTruthy();
  expect((name as HTMLInputElement).value).toBe('North');
});

it('leads from deleting a team that looks after accounts to transferring them', async () => {
  const asked = serve(base);
  const { user } = await open(`/teams/${TEA}`);
  await user.click(await screen.findByRole('button', { name: 'Delete' }));
  const dialog = await screen.findByRole('dialog', { name: 'Delete team “North”' });
  expect(dialog.textContent).toContain('2 accounts are assigned to this team');
  const link = within(dialog).getByRole('link', { name: 'Transfer accounts' });
  expect(link.getAttribute('href')).toContain(`from=${TEA}`);
  expect(asked.some(({ call }) => call.startsWith('DELETE'))).toBe(false);
});

it('shows who may only look no way to change a team', async () => {
  const permissions = SESSION.permissions.filter((one) => one !== 'teams.manage');
  serve({ ...base, 'GET /api/v1/session': { ...SESSION, permissions } });
  await open(`/teams/${TEA}`);
  expect(await screen.findByRole('link', { name: 'Ada' })).toBeTruthy();
  for (const name of ['Delete', 'Save', 'Remove Ada'])
    expect(screen.queryByRole('button', { name })).toBeNull();
  expect(screen.queryByRole('combobox')).toBeNull();
  expect(screen.queryByRole('link', { name: 'Assign accounts' })).toBeNull();
});

it('asks for the people of a partner, and begins an invitation with it', async () => {
  const asked = serve({ ...base, 'GET /api/v1/groups': page([]) });
  const { user } = await open(`/partners/${PTN}`);
  await user.click(await screen.findByRole('link', { name: 'Invite a user' }));
  expect(asked.some(({ request }) => request.url.includes(`partner=${PTN}`))).toBe(true);
  expect(await screen.findByRole('button', { name: /^Fjord/ })).toBeTruthy();
});

it('sends the organisation with the invitation, and leaves it out with another role', async () => {
  const asked = serve({
    ...base,
    'GET /api/v1/groups': page([]),
    'POST /api/v1/users': problem(409, 'conflict', 'the address is taken'),
  });
  const { user } = await open(`/users/new?role=partner&partner=${PTN}`);
  await user.type(await screen.findByLabelText(/E-mail/), 'pia@example.com');
  await user.type(screen.getByLabelText(/Name/), 'Pia');
  await user.click(screen.getByRole('button', { name: 'Send invitation' }));
  const sent = () => asked.filter(({ call }) => call === 'POST /api/v1/users').map(({ body }) => body);
  await waitFor(() => expect(sent()).toHaveLength(1));
  const pia = { email: 'pia@example.com', name: 'Pia', groups: [] };
  expect(sent()[0]).toEqual({ ...pia, role: 'partner', partner_id: PTN });
  await user.click(screen.getByRole('button', { name: /^Partner Role|Role/ }));
  await user.click(await screen.findByRole('option', { name: 'Manager' }));
  expect(screen.queryByRole('button', { name: /Fjord/ })).toBeNull();
  await user.click(screen.getByRole('button', { name: 'Send invitation' }));
  await waitFor(() => expect(sent()).toHaveLength(2));
  expect(sent()[1]).toEqual({ ...pia, role: 'manager' });
});
