import { screen, waitFor, within } from '@testing-library/react';
import { expect, it } from 'vitest';
import { open, page, problem, SESSION, serve } from '#/test/render';

const ID = `usr_${'a'.repeat(32)}`;
const GROUP = `grp_${'b'.repeat(32)}`;
const SES = `ses_${'c'.repeat(32)}`;

const user = {
  id: ID,
  email: 'ada@example.com',
  name: 'Ada',
  role: 'viewer',
  state: 'active',
  groups: [GROUP],
  grants: ['runs.operate'],
  permissions: ['hub.read', 'runs.read', 'runs.operate', 'audit.read'],
  has_factor: true,
  locked_until: null as string | null,
  last_sign_in_at: '2026-11-20T08:00:00Z',
  created_at: '2026-11-01T08:00:00Z',
  version: 3,
};
const invited = { ...user, state: 'invited', last_sign_in_at: null, has_factor: false };
const group = {
  id: GROUP,
  name: 'Auditors',
  permissions: ['audit.read', 'runs.read'],
  members: 1,
  version: 1,
  created_at: '2026-11-01T08:00:00Z',
};
const link = { purpose: 'set_up', link: 'http://hub/set-password#abc', expires_at: '2026-11-23T08:00:00Z' };

const base = {
  'GET /api/v1/session': SESSION,
  'GET /api/v1/groups': page([group]),
  'GET /api/v1/roles': page([
    { role: 'admin', side: 'staff', permissions: SESSION.permissions.concat('runs.operate') },
    { role: 'viewer', side: 'staff', permissions: ['hub.read', 'runs.read'] },
  ]),
  [`GET /api/v1/users/${ID}`]: user,
};
const sessions = {
  [`GET /api/v1/users/${ID}/sessions`]: page([
    {
      id: SES,
      current: false,
      address: '10.0.0.1',
      agent: 'Firefox Linux',
      created_at: '2026-11-20T08:00:00Z',
      last_seen_at: '2026-11-20T08:00:00Z',
      expires_at: '2026-11-20T20:00:00Z',
    },
  ]),
};

it('asks for the users that the address names', async () => {
  const asked = serve({ ...base, 'GET /api/v1/users': page([user]) });
  await open(`/users?role=viewer&state=active&factor=yes&group=${GROUP}&q=ada`);
  expect(await screen.findByRole('link', { name: 'Ada' })).toBeTruthy();
  const call = asked.find(({ call }) => call === 'GET /api/v1/users');
  expect(Object.fromEntries(new URL(call?.request.url ?? '').searchParams)).toMatchObject({
    role: 'viewer',
    state: 'active',
    has_factor: 'true',
    group: GROUP,
    q: 'ada',
  });
});

it('tells who may not see users which permission is missing, and shows them no entry in the menu', async () => {
  const asked = serve({ 'GET /api/v1/session': { ...SESSION, permissions: ['hub.read'] } });
  await open('/users');
  expect(await screen.findByText('You may not see this page')).toBeTruthy();
  expect(screen.getByText('users.read')).toBeTruthy();
  expect(asked.some(({ call }) => call === 'GET /api/v1/users')).toBe(false);
  const pages = within(screen.getByRole('navigation', { name: 'Pages' }));
  expect(pages.getByRole('link', { name: 'Overview' })).toBeTruthy();
  for (const name of ['Users', 'API keys', 'Audit trail', 'Security rules'])
    expect(pages.queryByRole('link', { name })).toBeNull();
});

it('invites a user after asking who one is, and hands over the link that cannot be sent', async () => {
  let isProven = false;
  const asked = serve({
    ...base,
    'GET /api/v1/factors': { methods: [] },
    'POST /api/v1/users': () =>
      isProven ? { user: invited, invitation: link } : problem(403, 'step-up-required', 'again'),
    'POST /api/v1/session/step-up': () => {
      isProven = true;
      return { fresh_until: '2026-11-20T08:30:00Z' };
    },
    [`GET /api/v1/users/${ID}`]: invited,
  });
  const { user: person, router } = await open('/users/new');
  await person.type(await screen.findByLabelText(/E-mail/), 'ada@example.com');
  await person.type(screen.getByLabelText(/Name/), 'Ada');
  await person.click(await screen.findByText('Auditors'));
  await person.click(screen.getByRole('button', { name: 'Send invitation' }));
  const proof = await screen.findByRole('dialog', { name: 'Show that it is you' });
  await person.type(within(proof).getByLabelText(/Password/), 'mine');
  await person.click(within(proof).getByRole('button', { name: 'Go on' }));
  const made = await screen.findByRole('dialog', { name: 'Invitation made' });
  expect(made.textContent).toContain(link.link);
  const sent = asked.filter(({ call }) => call === 'POST /api/v1/users').at(-1);
  expect(sent?.body).toEqual({ email: 'ada@example.com', name: 'Ada', role: 'viewer', groups: [GROUP] });
  await person.click(within(made).getByRole('button', { name: 'Done' }));
  await waitFor(() => expect(router.state.location.pathname).toBe(`/users/${ID}`));
});

it('keeps what was typed when the address is taken', async () => {
  serve({ ...base, 'POST /api/v1/users': problem(409, 'conflict', 'the address is taken') });
  const { user: person } = await open('/users/new');
  const email = await screen.findByLabelText(/E-mail/);
  await person.type(email, 'ada@example.com');
  await person.type(screen.getByLabelText(/Name/), 'Ada');
  await person.click(screen.getByRole('button', { name: 'Send invitation' }));
  expect((await screen.findByRole('alert')).textContent).toContain('the address is taken');
  expect((email as HTMLInputElement).value).toBe('ada@example.com');
});

it('says of each permission by what they have it', async () => {
  serve(base);
  const { user: person } = await open(`/users/${ID}`);
  const panel = (await screen.findByRole('heading', { name: 'What they may do, and why' })).closest(
    'section',
  );
  const why = within(panel as HTMLElement);
  const line = async (name: string) => (await why.findByText(name)).closest('li')?.textContent;
  expect(await line('See runs')).toContain('Role: Read-onlyGroup: Auditors');
  expect(await line('Retry, cancel and undo runs')).toContain('Given to them alone');
  expect(why.queryByText('See users, groups and roles')).toBeNull();
  await person.click(why.getByText('Show what they may not'));
  expect(await line('See users, groups and roles')).toContain('Not allowed');
});

it('sends what was changed with the version, and shows what was refused beside the form', async () => {
  const refusal = problem(403, 'forbidden', 'you cannot give what you do not have');
  const asked = serve({ ...base, [`PATCH /api/v1/users/${ID}`]: refusal });
  const { user: person } = await open(`/users/${ID}`);
  const form = within((await screen.findByLabelText(/^Name/)).closest('form') as HTMLElement);
  await person.click(await form.findByText('Auditors'));
  await person.click(form.getByRole('button', { name: 'Save' }));
  expect((await screen.findByRole('alert')).textContent).toContain('You cannot give'.slice(4));
  const call = asked.find(({ call }) => call === `PATCH /api/v1/users/${ID}`);
  expect(call?.request.headers.get('if-match')).toBe('"3"');
  expect(call?.body).toEqual({ groups: [] });
  expect((form.getByRole('checkbox', { name: 'Auditors' }) as HTMLInputElement).checked).toBe(false);
});

it('says what deactivating does before it does it', async () => {
  const gone = { ...user, state: 'deactivated' };
  const asked = serve({ ...base, [`POST /api/v1/users/${ID}/deactivate`]: gone });
  const { user: person } = await open(`/users/${ID}`);
  await person.click(await screen.findByRole('button', { name: 'Deactivate' }));
  const dialog = await screen.findByRole('dialog', { name: 'Deactivate Ada' });
  expect(dialog.textContent).toContain('API keys and links stop working');
  expect(asked.some(({ call }) => call.startsWith('POST'))).toBe(false);
  await person.click(within(dialog).getByRole('button', { name: 'Deactivate' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(asked.some(({ call }) => call === `POST /api/v1/users/${ID}/deactivate`)).toBe(true);
});

it('withdraws an invitation by its own name', async () => {
  serve({ ...base, [`GET /api/v1/users/${ID}`]: invited });
  const { user: person } = await open(`/users/${ID}`);
  await person.click(await screen.findByRole('button', { name: 'Withdraw invitation' }));
  const dialog = await screen.findByRole('dialog', { name: 'Withdraw the invitation of Ada' });
  expect(dialog.textContent).toContain('stops working at once');
});

it('unlocks, ends a session and resets the second factor', async () => {
  const locked = { ...user, locked_until: '2036-11-20T09:00:00Z' };
  const asked = serve({
    ...base,
    ...sessions,
    [`GET /api/v1/users/${ID}`]: locked,
    [`POST /api/v1/users/${ID}/unlock`]: user,
    [`POST /api/v1/users/${ID}/reset-factors`]: new Response(null, { status: 204 }),
    [`DELETE /api/v1/users/${ID}/sessions/${SES}`]: new Response(null, { status: 204 }),
  });
  const { user: person } = await open(`/users/${ID}?tab=sign-in`);
  await person.click(await screen.findByRole('button', { name: 'End session: Firefox · Linux' }));
  await person.click(await screen.findByRole('button', { name: 'Unlock' }));
  await person.click(await screen.findByRole('button', { name: 'Reset' }));
  const dialog = await screen.findByRole('dialog', { name: 'Reset the second factor of Ada' });
  await person.click(within(dialog).getByRole('button', { name: 'Reset' }));
  const sent = () => asked.map(({ call }) => call).filter((call) => !call.startsWith('GET'));
  await waitFor(() =>
    expect(sent()).toEqual([
      `DELETE /api/v1/users/${ID}/sessions/${SES}`,
      `POST /api/v1/users/${ID}/unlock`,
      `POST /api/v1/users/${ID}/reset-factors`,
    ]),
  );
});

it('gives somebody another organisation, and takes it away with a role that has none', async () => {
  const [fjord, delta] = [`ptn_${'1'.repeat(32)}`, `ptn_${'2'.repeat(32)}`];
  const partner = (id: string, name: string) => ({ id, name, users: 0, accounts: 0, version: 1 });
  const pia = { ...user, role: 'partner', scope: 'assigned', scope_is_set: false, partner_id: fjord };
  const asked = serve({
    ...base,
    [`GET /api/v1/users/${ID}`]: pia,
    'GET /api/v1/partners': page([partner(fjord, 'Fjord'), partner(delta, 'Delta')]),
    [`PATCH /api/v1/users/${ID}`]: (request: Request) => ({ ...pia, url: request.url }),
  });
  const { user: person } = await open(`/users/${ID}`);
  await person.click(await screen.findByRole('button', { name: /^Fjord/ }));
  await person.click(await screen.findByRole('option', { name: 'Delta' }));
  await person.click(screen.getByRole('button', { name: 'Save' }));
  const sent = () => asked.filter(({ call }) => call.startsWith('PATCH')).map(({ body }) => body);
  await waitFor(() => expect(sent()).toEqual([{ partner_id: delta }]));
  await person.click(await screen.findByRole('button', { name: /^Partner Role/ }));
  await person.click(await screen.findByRole('option', { name: 'Manager' }));
  expect(screen.queryByRole('button', { name: /^Fjord/ })).toBeNull();
  await person.click(screen.getByRole('button', { name: 'Save' }));
  await waitFor(() => expect(sent()[1]).toEqual({ role: 'manager', partner_id: null }));
});
