import { screen, waitFor, within } from '@testing-library/react';
import { expect, it } from 'vitest';
import { json, open, page, problem, SESSION, serve } from '#/test/render';

const ANN = `usr_${'a'.repeat(32)}`;
const BEA = `usr_${'b'.repeat(32)}`;
const GROUP = `grp_${'c'.repeat(32)}`;
const ACC = `acc_${'d'.repeat(32)}`;
const TNT = `tnt_${'e'.repeat(32)}`;
const AT = '2026-11-20T08:00:00Z';

const CUSTOMER = {
  ...SESSION,
  user: { ...SESSION.user, id: ANN, name: 'Ann', role: 'customer_admin' },
  scope: 'own',
  permissions: ['records.read', 'organisation.manage'],
};
const bea = {
  id: BEA,
  email: 'bea@ours.example',
  name: 'Bea',
  role: 'customer_user',
  state: 'active',
  groups: [] as string[],
  grants: [] as string[],
  permissions: ['records.read'],
  scope: 'own',
  scope_is_set: false,
  account_id: ACC,
  partner_id: null,
  is_operator: false,
  has_factor: false,
  locked_until: null,
  last_sign_in_at: AT,
  created_at: AT,
  version: 4,
};
const group = {
  id: GROUP,
  account_id: ACC,
  name: 'Editors',
  permissions: ['records.write'],
  members: 0,
  version: 2,
  created_at: AT,
};
const base = {
  'GET /api/v1/session': CUSTOMER,
  'GET /api/v1/organisation': {
    account_id: ACC,
    name: 'Ours',
    roles: ['customer_admin', 'customer_manager', 'customer_user'],
    permissions: ['records.read', 'records.write'],
  },
  'GET /api/v1/organisation/people': page([bea]),
  'GET /api/v1/organisation/groups': page([group]),
  [`GET /api/v1/organisation/people/${BEA}`]: bea,
};

it('shows a customer’s administrator their people, and leads there from the side bar', async () => {
  serve(base);
  await open('/organisation');
  expect(await screen.findByRole('heading', { name: 'Ours' })).toBeTruthy();
  expect(await screen.findByRole('link', { name: 'Bea' })).toBeTruthy();
  const [place] = screen.getAllByRole('link', { name: 'Organization' });
  expect(place?.getAttribute('href')).toBe('/organisation');
  expect(screen.getByText('0 members')).toBeTruthy();
});

it('gives a group and a permission, with the version that was read', async () => {
  const asked = serve({
    ...base,
    [`PATCH /api/v1/organisation/people/${BEA}`]: { ...bea, groups: [GROUP], version: 5 },
  });
  const { user } = await open(`/organisation?person=${BEA}`);
  const dialog = await screen.findByRole('dialog');
  await user.click(await within(dialog).findByRole('checkbox', { name: 'Editors' }));
  const alone = within(dialog).getByRole('group', { name: 'Permissions of this person alone' });
  await user.click(within(alone).getAllByRole('checkbox')[1] as HTMLElement);
  await user.click(within(dialog).getByRole('button', { name: 'Save' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  const sent = asked.find(({ call }) => call.startsWith('PATCH'));
  expect(sent?.body).toEqual({ groups: [GROUP], grants: ['records.write'] });
  expect(sent?.request.headers.get('if-match')).toBe('"4"');
});

it('says why the last administrator cannot be deactivated', async () => {
  serve({
    ...base,
    [`POST /api/v1/organisation/people/${BEA}/deactivate`]: () =>
      problem(409, 'conflict', 'this is the last active administrator of the organisation'),
  });
  const { user } = await open(`/organisation?person=${BEA}`);
  await user.click(await screen.findByRole('button', { name: 'Deactivate' }));
  expect(await screen.findByText(/last active administrator/)).toBeTruthy();
});

it('invites somebody and hands the link over', async () => {
  const asked = serve({
    ...base,
    'POST /api/v1/organisation/people': json(
      {
        user: { ...bea, email: 'new@ours.example' },
        invitation: { purpose: 'set_up', link: 'http://hub/set-password#abc', expires_at: AT },
      },
      201,
    ),
  });
  const { user } = await open('/organisation');
  await user.click(await screen.findByRole('button', { name: 'Invite' }));
  const dialog = await screen.findByRole('dialog');
  await user.type(within(dialog).getByRole('textbox', { name: /E-mail/ }), 'new@ours.example');
  await user.type(within(dialog).getByRole('textbox', { name: /Name/ }), 'New');
  await user.click(within(dialog).getByRole('button', { name: 'Invite' }));
  expect(await screen.findByText('http://hub/set-password#abc')).toBeTruthy();
  expect(asked.find(({ call }) => call.startsWith('POST'))?.body).toEqual({
    email: 'new@ours.example',
    name: 'New',
    role: 'customer_user',
  });
});

it('tells who does not look after an organisation what is missing', async () => {
  serve({ ...base, 'GET /api/v1/session': { ...CUSTOMER, permissions: ['records.read'] } });
  await open('/organisation');
  expect(await screen.findByText('organisation.manage')).toBeTruthy();
});

it('makes somebody a customer administrator on their page', async () => {
  const asked = serve({
    'GET /api/v1/session': SESSION,
    'GET /api/v1/groups': page([]),
    'GET /api/v1/roles': page([{ role: 'admin', side: 'staff', permissions: SESSION.permissions }]),
    [`GET /api/v1/users/${BEA}`]: bea,
    [`PATCH /api/v1/users/${BEA}`]: { ...bea, role: 'customer_admin', version: 5 },
  });
  const { user } = await open(`/users/${BEA}`);
  await user.click(
    await screen.findByRole('checkbox', { name: 'Looks after the people of the organization' }),
  );
  await waitFor(() =>
    expect(asked.find(({ call }) => call.startsWith('PATCH'))?.body).toEqual({ role: 'customer_admin' }),
  );
});

it('asks for a tenant to be deleted only with its name typed', async () => {
  const tenant = {
    id: TNT,
    name: 'Northwind',
    environment: 'production',
    is_suspended: false,
    is_being_deleted: false,
    users: 4,
    version: 5,
    created_at: AT,
    usage: {
      records: { used: 1, limit: null },
      connections: { used: 1, limit: null },
      storage: { used: 1, limit: null },
      calls_today: { used: 1, limit: null },
      counted_at: AT,
    },
  };
  const deletion = {
    id: `tdl_${'f'.repeat(32)}`,
    tenant_id: TNT,
    name: 'Northwind',
    reason: 'The contract ended.',
    state: 'asked',
    hold_days: 30,
    asked_by: 'Admin',
    asked_by_id: 'usr_1',
    asked_at: AT,
    destroyed: {},
  };
  const asked = serve({
    'GET /api/v1/session': { ...SESSION, is_operator: true },
    [`GET /api/v1/tenants/${TNT}`]: tenant,
    [`GET /api/v1/tenants/${TNT}/quotas`]: { records: null, connections: null, storage: null },
    [`POST /api/v1/tenants/${TNT}/deletion`]: json(deletion, 201),
  });
  const { user } = await open(`/tenants/${TNT}`);
  await user.click(await screen.findByRole('button', { name: 'Delete tenant' }));
  const dialog = await screen.findByRole('dialog');
  const submit = within(dialog).getByRole('button', { name: 'Delete tenant' });
  expect(submit.hasAttribute('disabled')).toBe(true);
  await user.type(within(dialog).getByRole('textbox', { name: /Name of the tenant/ }), 'Northwind');
  await user.type(within(dialog).getByRole('textbox', { name: /Reason/ }), 'The contract ended.');
  await user.click(submit);
  await waitFor(() =>
    expect(asked.find(({ call }) => call.startsWith('POST'))?.body).toEqual({
      confirm: 'Northwind',
      reason: 'The contract ended.',
      hold_days: 30,
    }),
  );
});
