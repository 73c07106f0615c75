import { screen, waitFor, within } from '@testing-library/react';
import { expect, it, vi } from 'vitest';
import { away } from '#/lib/away';
import { json, open, page, problem, SESSION, serve } from '#/test/render';

const ID = `idp_${'a'.repeat(32)}`;
const ADMIN = `usr_${'b'.repeat(32)}`;

const provider = {
  id: ID,
  name: 'Company',
  preset: 'custom',
  protocol: 'oidc',
  enabled: false,
  tested: false,
  last_test: null as object | null,
  oidc: {
    issuer: 'https://id.example.com',
    client_id: 'hub',
    has_secret: true,
    scopes: ['openid'],
    redirect_uri: 'https://hub.example/api/v1/sso/callback',
    backchannel_logout_uri: `https://hub.example/api/v1/sso/${ID}/backchannel-logout`,
  },
  saml: null,
  attributes: { email: 'mail', name: 'name', groups: 'groups' },
  email_domains: ['example.com'],
  trust_email: false,
  provision: true,
  default_role: 'viewer',
  role_rules: [{ value: 'ops', role: 'operator' }],
  group_rules: [],
  ceiling: 'operator',
  microsoft_tenants: [],
  session_minutes: null,
  second_factor: { vouched: 'never', methods: [] },
  version: 3,
  created_at: '2026-11-01T08:00:00Z',
};
const outcome = {
  accepted: true,
  issuer: 'https://id.example.com',
  subject: 'ada-1',
  email: 'ada@example.com',
  email_verified: true,
  name: 'Ada',
  provider_groups: ['ops', 'all'],
  role: 'operator',
  groups: [],
};
const tagged = (body: object) => {
  const response = json(body);
  response.headers.set('etag', '"0"');
  return response;
};
/** Notices of tests before stand beside the page for a while. */
const inMain = () => within(screen.getByRole('main'));

const base = {
  'GET /api/v1/session': SESSION,
  'GET /api/v1/groups': page([]),
  'GET /api/v1/identity-providers': page([provider]),
  [`GET /api/v1/identity-providers/${ID}`]: provider,
  'GET /api/v1/sign-in-policy': () => tagged({ sso_only: false, fallback_admins: [] }),
  'GET /api/v1/users': page([{ id: ADMIN, name: 'Admin', email: 'admin@example.com' }]),
};

it('lists providers with where each of them stands', async () => {
  serve({
    ...base,
    'GET /api/v1/identity-providers': page([
      provider,
      {
        ...provider,
        id: `idp_${'c'.repeat(32)}`,
        name: 'Google',
        preset: 'google',
        enabled: true,
        tested: true,
      },
    ]),
  });
  await open('/identity-providers');
  expect(await screen.findByRole('link', { name: 'Company' })).toBeTruthy();
  expect(screen.getByText('Not tested')).toBeTruthy();
  expect(screen.getByText('Lets people in')).toBeTruthy();
});

it('adds a provider, and says beforehand what the provider has to be told', async () => {
  const asked = serve({ ...base, 'POST /api/v1/identity-providers': json(provider, 201) });
  const { user, router } = await open('/identity-providers/new');
  expect(await screen.findByText(`${location.origin}/api/v1/sso/callback`)).toBeTruthy();
  await user.type(screen.getByLabelText(/^Name/, { selector: '[name="name"]' }), 'Company');
  await user.type(screen.getByLabelText(/^Issuer/), 'https://id.example.com');
  await user.type(screen.getByLabelText(/^Client id/), 'hub');
  await user.type(screen.getByLabelText('Client secret'), 's3cret');
  await user.click(screen.getByText('Make users who are not there yet'));
  await user.click(screen.getByRole('button', { name: 'Add a role rule' }));
  await user.type(screen.getByLabelText(/^Group there/), 'ops');
  await user.click(screen.getByRole('button', { name: 'Add provider' }));
  await waitFor(() => expect(router.state.location.pathname).toBe(`/identity-providers/${ID}`));
  const sent = asked.find(({ call }) => call.startsWith('POST'));
  expect(sent?.body).toMatchObject({
    name: 'Company',
    preset: 'custom',
    oidc: { issuer: 'https://id.example.com', client_id: 'hub', client_secret: 's3cret' },
    saml: null,
    provision: true,
    role_rules: [{ value: 'ops', role: 'viewer' }],
    ceiling: 'viewer',
  });
});

it('takes the metadata of a SAML provider from a file', async () => {
  const saml = {
    entity_id: null,
    sign_in_url: null,
    metadata: '<a/>',
    our_entity_id: 'https://e',
    acs_url: 'https://a',
    slo_url: 'https://s',
    sign_out_url: 'https://id.example.com/slo',
    single_logout: true,
  };
  const made = { ...provider, protocol: 'saml', oidc: null, saml };
  const asked = serve({ ...base, 'POST /api/v1/identity-providers': json(made, 201) });
  const { user } = await open('/identity-providers/new?kind=saml');
  await user.type(await screen.findByLabelText(/^Name/, { selector: '[name="name"]' }), 'Company');
  const chooser = document.querySelector<HTMLInputElement>('input[type="file"]');
  const file = new File(['<md:EntityDescriptor/>'], 'metadata.xml', { type: 'text/xml' });
  await user.upload(chooser as HTMLInputElement, file);
  expect(await screen.findByDisplayValue('<md:EntityDescriptor/>')).toBeTruthy();
  await user.click(screen.getByRole('button', { name: 'Add provider' }));
  await waitFor(() => expect(asked.some(({ call }) => call.startsWith('POST'))).toBe(true));
  const sent = asked.find(({ call }) => call.startsWith('POST'));
  expect(sent?.body).toMatchObject({ oidc: null, saml: { metadata: '<md:EntityDescriptor/>' } });
});

it('keeps what was typed when it is refused, and says it at the field', async () => {
  const refusal = problem(422, 'invalid-field', 'this is no domain', {
    errors: [{ pointer: '/email_domains/0', message: 'this is no domain' }],
  });
  serve({ ...base, [`PUT /api/v1/identity-providers/${ID}`]: refusal });
  const { user } = await open(`/identity-providers/${ID}`);
  const domains = await screen.findByLabelText('Domains of their addresses');
  await user.clear(domains);
  await user.type(domains, 'x y');
  await user.click(screen.getByRole('button', { name: 'Save' }));
  expect((await inMain().findByRole('alert')).textContent).toContain('this is no domain');
  expect((domains as HTMLTextAreaElement).value).toBe('x y');
  expect(domains.getAttribute('aria-invalid')).toBe('true');
});

it('saves with the version and without a secret that nobody typed, and warns that it turns off', async () => {
  const on = { ...provider, enabled: true, tested: true };
  const asked = serve({
    ...base,
    [`GET /api/v1/identity-providers/${ID}`]: on,
    [`PUT /api/v1/identity-providers/${ID}`]: provider,
  });
  const { user } = await open(`/identity-providers/${ID}`);
  const name = await screen.findByLabelText(/^Name/, { selector: '[name="name"]' });
  await user.type(name, ' SE');
  expect(screen.queryByText(/nobody comes in from it until/)).toBeNull();
  await user.click(screen.getByText('Trust its addresses, verified or not'));
  expect(screen.getByText(/nobody comes in from it until/)).toBeTruthy();
  await user.click(screen.getByRole('button', { name: 'Save' }));
  await waitFor(() => expect(asked.some(({ call }) => call.startsWith('PUT'))).toBe(true));
  const sent = asked.find(({ call }) => call.startsWith('PUT'));
  expect(sent?.request.headers.get('if-match')).toBe('"3"');
  expect(sent?.body).toMatchObject({ name: 'Company SE', trust_email: true, oidc: { client_secret: null } });
});

it('shows what the provider said in a test, and what that makes of them', async () => {
  const tested = { ...provider, tested: true, last_test: { at: '2026-11-02T08:00:00Z', outcome } };
  serve({ ...base, [`GET /api/v1/identity-providers/${ID}`]: tested });
  await open(`/identity-providers/${ID}`);
  const panel = (await screen.findByRole('heading', { name: 'Last test sign-in' })).closest('section');
  const said = within(panel as HTMLElement);
  expect(said.getByText('This person would be let in')).toBeTruthy();
  expect(said.getByText('ada@example.com')).toBeTruthy();
  expect(said.getByText('mail')).toBeTruthy();
  expect(said.getByText('ops, all')).toBeTruthy();
  expect(said.getByText('Operator')).toBeTruthy();
});

it('says why a test would be refused', async () => {
  const reason = 'addresses of this domain are not let in';
  const failed = { accepted: false, subject: 'eve', email: 'eve@example.org', reason };
  serve({
    ...base,
    [`GET /api/v1/identity-providers/${ID}`]: {
      ...provider,
      last_test: { at: provider.created_at, outcome: failed },
    },
  });
  await open(`/identity-providers/${ID}`);
  expect(await screen.findByText(reason)).toBeTruthy();
  expect(screen.getByText('Test failed')).toBeTruthy();
  expect(screen.queryByText('What that makes them here')).toBeNull();
});

it('goes to the provider for a test, after saying that what is not saved is lost', async () => {
  const assign = vi.spyOn(away, 'to').mockImplementation(() => {});
  const url = 'https://id.example.com/authorize?x=1';
  serve({ ...base, [`POST /api/v1/identity-providers/${ID}/test`]: { url } });
  const { user } = await open(`/identity-providers/${ID}`);
  await user.type(await screen.findByLabelText(/^Name/, { selector: '[name="name"]' }), 'x');
  await user.click(screen.getByRole('button', { name: 'Test sign-in' }));
  const dialog = await screen.findByRole('dialog', { name: 'Try Company' });
  expect(dialog.textContent).toContain('What is not saved here is lost');
  await user.click(within(dialog).getByRole('button', { name: 'Go there' }));
  await waitFor(() => expect(assign).toHaveBeenCalledWith(url));
});

it('shows why it cannot be enabled, and stays', async () => {
  const why = 'try it first: a test sign-in has to succeed with the configuration as it is';
  const asked = serve({
    ...base,
    [`POST /api/v1/identity-providers/${ID}/enable`]: problem(409, 'conflict', why),
  });
  const { user } = await open(`/identity-providers/${ID}`);
  await user.click(await screen.findByRole('button', { name: 'Enable' }));
  const dialog = await screen.findByRole('dialog', { name: 'Let people in from Company' });
  await user.click(within(dialog).getByRole('button', { name: 'Enable' }));
  expect((await within(dialog).findByRole('alert')).textContent).toContain(why);
  const sent = asked.find(({ call }) => call.endsWith('/enable'));
  expect(sent?.request.headers.get('if-match')).toBe('"3"');
});

it('does not lock everybody out: the refusal without a fallback admin stands beside the choice', async () => {
  let isNamed = false;
  const asked = serve({
    ...base,
    'PUT /api/v1/sign-in-policy': () =>
      isNamed
        ? tagged({ sso_only: true, fallback_admins: [ADMIN] })
        : problem(
            409,
            'conflict',
            'name a fallback admin: somebody must get in when the provider does not work',
          ),
  });
  const { user } = await open('/identity-providers');
  await user.click(await screen.findByText('Only identity providers let people in'));
  await user.click(screen.getByRole('button', { name: 'Save who gets in' }));
  expect((await inMain().findByRole('alert')).textContent).toContain('name a fallback admin');
  expect((screen.getByRole('checkbox', { name: /^Only identity/ }) as HTMLInputElement).checked).toBe(true);
  isNamed = true;
  await user.click(await screen.findByText('Admin', { selector: 'label span' }));
  await user.click(screen.getByRole('button', { name: 'Save who gets in' }));
  await waitFor(() => expect(inMain().queryByRole('alert')).toBeNull());
  const sent = asked.filter(({ call }) => call.startsWith('PUT')).at(-1);
  expect(sent?.body).toEqual({ sso_only: true, fallback_admins: [ADMIN] });
  expect(sent?.request.headers.get('if-match')).toBe('"0"');
});

it('tells who may not set them up which permission it takes', async () => {
  const asked = serve({ 'GET /api/v1/session': { ...SESSION, permissions: ['hub.read'] } });
  await open('/identity-providers');
  expect(await screen.findByText('hub.configure')).toBeTruthy();
  expect(asked.some(({ call }) => call.includes('identity'))).toBe(false);
});

it('can be sent again once what was refused is mended elsewhere than where it was said', async () => {
  const refusal = () =>
    problem(422, 'invalid-field', 'this role has more permissions than the ceiling', {
      errors: [{ pointer: '/default_role', message: 'this role has more permissions than the ceiling' }],
    });
  let isMended = false;
  const asked = serve({
    ...base,
    [`PUT /api/v1/identity-providers/${ID}`]: () => (isMended ? provider : refusal()),
  });
  const { user } = await open(`/identity-providers/${ID}`);
  await user.type(await screen.findByLabelText('Scopes'), ' groups');
  await user.click(screen.getByRole('button', { name: 'Save' }));
  await inMain().findByRole('alert');
  isMended = true;
  await user.click(screen.getByText('Make users who are not there yet'));
  expect(inMain().queryByRole('alert')).toBeNull();
  await user.click(screen.getByRole('button', { name: 'Save' }));
  await waitFor(() => expect(asked.filter(({ call }) => call.startsWith('PUT'))).toHaveLength(2));
});
