import { screen, waitFor, within } from '@testing-library/react';
import { expect, it } from 'vitest';
import { json, open, page, problem, SESSION, serve } from '#/test/render';

const AT = '2026-11-01T08:00:00Z';
const DOM = `dom_${'a'.repeat(32)}`;
const BRD = `brd_${'b'.repeat(32)}`;
const TNT = `tnt_${'c'.repeat(32)}`;

const domain = {
  id: DOM,
  host: 'xn--bcher-kva.example',
  shown: 'bücher.example',
  record_name: '_syncline.xn--bcher-kva.example',
  record_text: 'syncline-domain=abc',
  verified_at: null as string | null,
  created_at: AT,
};
const brand = {
  id: BRD,
  name: 'Harbour',
  domain: null,
  is_default: true,
  accent: '#016893',
  on_accent: '#ffffff',
  background: '#ffffff',
  foreground: '#000000',
  logo_size: null as number | null,
  version: 2,
  created_at: AT,
};
const usage = {
  records: { used: 950, limit: 1_000 },
  connections: { used: 3, limit: 3 },
  storage: { used: 2_500_000, limit: null },
  calls_today: { used: 12, limit: null },
  counted_at: AT,
};
const tenant = {
  id: TNT,
  name: 'Northwind',
  environment: 'production',
  is_suspended: false,
  is_being_deleted: false,
  users: 4,
  version: 5,
  created_at: AT,
  usage,
};
const quotas = { records: 1_000, connections: 3, storage: null, calls_per_day: null };
const tagged = (body: object) => {
  const response = json(body);
  response.headers.set('etag', '"7"');
  return response;
};
const OPERATOR = { ...SESSION, is_operator: true };
/** Notices of tests before stand beside the page for a while. */
const inMain = () => within(screen.getByRole('main'));

const base = {
  'GET /api/v1/session': OPERATOR,
  'GET /api/v1/usage': usage,
  'GET /api/v1/domains': page([domain]),
  'GET /api/v1/brands': page([brand]),
  [`GET /api/v1/brands/${BRD}`]: brand,
  'GET /api/v1/tenants': page([tenant]),
  [`GET /api/v1/tenants/${TNT}`]: tenant,
  [`GET /api/v1/tenants/${TNT}/quotas`]: () => tagged(quotas),
};

it('says what is used of each quota, and where nothing is left', async () => {
  serve(base);
  await open('/usage');
  const panel = (await screen.findByRole('heading', { name: 'What this organization uses' })).closest(
    'section',
  );
  const figures = within(panel as HTMLElement);
  expect(await figures.findByText('950')).toBeTruthy();
  expect(figures.getByText('of 1,000')).toBeTruthy();
  expect(figures.getByText('Nearly used up')).toBeTruthy();
  expect(figures.getByText('Nothing left')).toBeTruthy();
  expect(figures.getByText('2.5 MB')).toBeTruthy();
  expect(figures.getAllByText('no limit')).toHaveLength(2);
});

it('adds a domain and leads on to its record', async () => {
  const asked = serve({ ...base, 'POST /api/v1/domains': json(domain, 201) });
  const { user, router } = await open('/domains/new');
  await user.type(await screen.findByLabelText(/^Domain/), ' bücher.example ');
  await user.click(screen.getByRole('button', { name: 'Add domain' }));
  await waitFor(() => expect(router.state.location.pathname).toBe(`/domains/${DOM}`));
  expect(asked.find(({ call }) => call.startsWith('POST'))?.body).toEqual({ host: 'bücher.example' });
  expect(await screen.findByText(domain.record_name)).toBeTruthy();
  expect(screen.getByText(domain.record_text)).toBeTruthy();
  for (const what of ['Name', 'Type', 'Value'])
    expect(screen.getByRole('button', { name: `Copy ${what}` })).toBeTruthy();
});

it('keeps a domain that is refused, with the reason at its field', async () => {
  const refusal = problem(422, 'invalid-field', 'this name mixes scripts', {
    errors: [{ pointer: '/host', message: 'this name mixes scripts' }],
  });
  serve({ ...base, 'POST /api/v1/domains': refusal });
  const { user } = await open('/domains/new');
  const host = await screen.findByLabelText(/^Domain/);
  await user.type(host, 'аpple.example');
  await user.click(screen.getByRole('button', { name: 'Add domain' }));
  await waitFor(() => expect(host.getAttribute('aria-invalid')).toBe('true'));
  expect((host as HTMLInputElement).value).toBe('аpple.example');
});

it('says what is missing while the record is not found, and goes on when it is', async () => {
  let isThere = false;
  const verified = { ...domain, verified_at: AT };
  serve({
    ...base,
    'GET /api/v1/domains': () => page([isThere ? verified : domain]),
    [`POST /api/v1/domains/${DOM}/verify`]: () =>
      isThere ? verified : problem(409, 'conflict', 'there is no TXT record at _syncline'),
  });
  const { user } = await open(`/domains/${DOM}`);
  await user.click(await screen.findByRole('button', { name: 'Look for the record' }));
  expect((await inMain().findByRole('alert')).textContent).toContain('there is no TXT record');
  isThere = true;
  await user.click(screen.getByRole('button', { name: 'Look for the record' }));
  await waitFor(() => expect(screen.queryByRole('button', { name: 'Look for the record' })).toBeNull());
  expect(screen.getAllByText('Verified').length).toBeGreaterThan(0);
});

it('says that a domain is not there', async () => {
  serve(base);
  await open(`/domains/dom_${'0'.repeat(32)}`);
  expect(await screen.findByText('This domain is not there')).toBeTruthy();
});

it('says while colours are chosen whether text on them can be read', async () => {
  const asked = serve({
    ...base,
    [`PUT /api/v1/brands/${BRD}`]: { ...brand, accent: '#ffff00', version: 3 },
  });
  const { user } = await open(`/brands/${BRD}`);
  const accent = await screen.findByLabelText(/^Accent/);
  await user.clear(accent);
  await user.type(accent, '#ffff00');
  expect(screen.getByText(/contrast 1\.0, too little/)).toBeTruthy();
  await user.click(screen.getByRole('button', { name: 'Save' }));
  await waitFor(() => expect(asked.some(({ call }) => call.startsWith('PUT'))).toBe(true));
  const sent = asked.find(({ call }) => call.startsWith('PUT'));
  expect(sent?.request.headers.get('if-match')).toBe('"2"');
  expect(sent?.body).toEqual({
    name: 'Harbour',
    domain: null,
    is_default: true,
    accent: '#ffff00',
    on_accent: '#ffffff',
    background: '#ffffff',
    foreground: '#000000',
  });
});

it('sends a logo as it is, and none that is too large', async () => {
  const asked = serve({
    ...base,
    [`PUT /api/v1/brands/${BRD}/logo`]: { ...brand, logo_size: 3, version: 3 },
  });
  const { user } = await open(`/brands/${BRD}`);
  await screen.findByRole('button', { name: 'Upload a logo' });
  const chooser = document.querySelector<HTMLInputElement>('input[type="file"]') as HTMLInputElement;
  await user.upload(chooser, new File([new Uint8Array(300_000)], 'big.png', { type: 'image/png' }));
  expect((await inMain().findByRole('alert')).textContent).toContain('256 KiB');
  expect(asked.some(({ call }) => call.startsWith('PUT'))).toBe(false);
  await user.upload(chooser, new File(['[1]'], 'small.png', { type: 'image/png' }));
  await waitFor(() => expect(asked.some(({ call }) => call.startsWith('PUT'))).toBe(true));
  const sent = asked.find(({ call }) => call.startsWith('PUT'));
  expect(sent?.request.headers.get('content-type')).toBe('application/octet-stream');
  expect(sent?.body).toEqual([1]);
  expect(inMain().queryByRole('alert')).toBeNull();
});

it('shows brands to readers with nothing to change', async () => {
  serve({ ...base, 'GET /api/v1/session': { ...SESSION, permissions: ['hub.read'] } });
  await open(`/brands/${BRD}`);
  expect(((await screen.findByLabelText(/^Name/)) as HTMLInputElement).disabled).toBe(true);
  for (const name of ['Save', 'Delete', 'Upload a logo'])
    expect(screen.queryByRole('button', { name })).toBeNull();
});

it('lists tenants with what is nearest to its quota, for operators only', async () => {
  serve(base);
  await open('/tenants');
  expect(await screen.findByRole('link', { name: 'Northwind' })).toBeTruthy();
  expect(await screen.findByText('3 of 3 connections')).toBeTruthy();
});

it('tells an admin of one tenant that all tenants are not theirs', async () => {
  const asked = serve({ ...base, 'GET /api/v1/session': SESSION });
  await open('/tenants');
  expect(await screen.findByText(/whoever looks after all tenants/)).toBeTruthy();
  expect(asked.some(({ call }) => call.includes('/tenants'))).toBe(false);
  const pages = within(screen.getByRole('navigation', { name: 'Pages' }));
  expect(pages.queryByRole('link', { name: 'Tenants' })).toBeNull();
  expect(pages.getByRole('link', { name: 'Organization' })).toBeTruthy();
});

it('suspends a tenant with a reason, after saying what that does', async () => {
  const suspended = { ...tenant, is_suspended: true, version: 6 };
  const asked = serve({ ...base, [`POST /api/v1/tenants/${TNT}/suspend`]: suspended });
  const { user } = await open(`/tenants/${TNT}`);
  await user.click(await screen.findByRole('button', { name: 'Suspend' }));
  const dialog = await screen.findByRole('dialog', { name: 'Suspend Northwind' });
  expect(dialog.textContent).toContain('No run of it begins');
  await user.type(within(dialog).getByLabelText(/^Reason/), 'not paid');
  await user.click(within(dialog).getByRole('button', { name: 'Suspend' }));
  expect(await screen.findByRole('button', { name: 'Resume' })).toBeTruthy();
  expect(asked.find(({ call }) => call.endsWith('/suspend'))?.body).toEqual({ reason: 'not paid' });
});

it('does not offer to suspend one’s own tenant', async () => {
  serve({ ...base, 'GET /api/v1/session': { ...OPERATOR, tenant: { ...SESSION.tenant, id: TNT } } });
  await open(`/tenants/${TNT}`);
  expect(await screen.findByText(/This is your own tenant/)).toBeTruthy();
  expect(screen.queryByRole('button', { name: 'Suspend' })).toBeNull();
});

it('sets quotas with the tag they were read with, and counts anew', async () => {
  const counted = { ...usage, records: { used: 951, limit: 1_000 } };
  const asked = serve({
    ...base,
    [`PUT /api/v1/tenants/${TNT}/quotas`]: () => tagged({ ...quotas, storage: 1_500_000 }),
    [`POST /api/v1/tenants/${TNT}/recount`]: counted,
  });
  const { user } = await open(`/tenants/${TNT}`);
  const storage = await screen.findByLabelText('Files, in MB');
  await user.type(storage, '1.5');
  await user.click(screen.getByRole('button', { name: 'Save quotas' }));
  await waitFor(() => expect(asked.some(({ call }) => call.startsWith('PUT'))).toBe(true));
  const sent = asked.find(({ call }) => call.startsWith('PUT'));
  expect(sent?.body).toEqual({ ...quotas, storage: 1_500_000 });
  expect(sent?.request.headers.get('if-match')).toBe('"7"');
  await user.click(screen.getByRole('button', { name: 'Count anew' }));
  expect(await screen.findByText('951')).toBeTruthy();
});

it('invites the first admin of a new tenant and hands over the link', async () => {
  const invitation = { purpose: 'set_up', link: 'http://hub/set-password#abc', expires_at: AT };
  const asked = serve({ ...base, 'POST /api/v1/tenants': json({ tenant, invitation }, 201) });
  const { user, router } = await open('/tenants/new');
  await user.type(await screen.findByLabelText(/^Name\b(?!.*admin)/), 'Northwind');
  await user.type(screen.getByLabelText(/^E-mail of its first admin/), 'dina@northwind.example');
  await user.type(screen.getByLabelText(/^Name of its first admin/), 'Dina');
  await user.click(screen.getByRole('button', { name: 'Create tenant' }));
  const made = await screen.findByRole('dialog', { name: 'Invitation made' });
  expect(made.textContent).toContain(invitation.link);
  expect(asked.find(({ call }) => call.startsWith('POST'))?.body).toEqual({
    name: 'Northwind',
    environment: 'production',
    admin: { email: 'dina@northwind.example', name: 'Dina' },
  });
  await user.click(within(made).getByRole('button', { name: 'Done' }));
  await waitFor(() => expect(router.state.location.pathname).toBe(`/tenants/${TNT}`));
});

it('can be sent again when too little contrast is mended by the other colour', async () => {
  let isMended = false;
  const asked = serve({
    ...base,
    [`PUT /api/v1/brands/${BRD}`]: () =>
      isMended
        ? { ...brand, version: 3 }
        : problem(422, 'invalid-field', 'contrast', {
            errors: [{ pointer: '/on_accent', message: 'on_accent on accent has a contrast of 1.07' }],
          }),
  });
  const { user } = await open(`/brands/${BRD}`);
  const accent = await screen.findByLabelText(/^Accent/);
  await user.clear(accent);
  await user.type(accent, '#ffff00');
  await user.click(screen.getByRole('button', { name: 'Save' }));
  await inMain().findByRole('alert');
  isMended = true;
  await user.clear(accent);
  await user.type(accent, '#333300');
  await user.click(screen.getByRole('button', { name: 'Save' }));
  await waitFor(() => expect(asked.filter(({ call }) => call.startsWith('PUT'))).toHaveLength(2));
});
