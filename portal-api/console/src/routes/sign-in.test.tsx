import { screen, waitFor } from '@testing-library/react';
import { expect, it, vi } from 'vitest';
import { away } from '#/lib/away';
import { json, open, problem, SESSION, serve } from '#/test/render';

const STAGE = { methods: ['totp', 'backup_code'], expires_at: '2026-11-20T08:10:00Z', device_days: 30 };

const REFUSED = () => problem(401, 'unauthenticated', 'sign in');

it('says that e-mail and password do not belong together', async () => {
  serve({ 'GET /api/v1/session': REFUSED, 'POST /api/v1/session': REFUSED });
  const { user } = await open('/sign-in');
  await user.type(screen.getByLabelText(/E-mail/), 'admin@example.com');
  await user.type(screen.getByLabelText(/Password/), 'wrong');
  await user.click(screen.getByRole('button', { name: 'Sign in' }));
  expect((await screen.findByRole('alert')).textContent).toContain('do not belong together');
});

it('asks for a new password after a one-time one', async () => {
  const first = { ...SESSION, user: { ...SESSION.user, must_change_password: true } };
  let changed = false;
  const asked = serve({
    'GET /api/v1/session': () => (changed ? SESSION : REFUSED()),
    'POST /api/v1/session': first,
    'POST /api/v1/session/password': () => {
      changed = true;
      return new Response(null, { status: 204 });
    },
  });
  const { user, router } = await open('/sign-in');
  await user.type(screen.getByLabelText(/E-mail/), 'admin@example.com');
  await user.type(screen.getByLabelText(/Password/), 'one-time');
  await user.click(screen.getByRole('button', { name: 'Sign in' }));
  expect(await screen.findByRole('heading', { level: 1, name: 'Choose a password' })).toBeTruthy();
  await user.type(screen.getByLabelText(/One-time password/), 'one-time');
  await user.type(screen.getByLabelText(/^New password \*|^New password$/), 'a long enough one');
  await user.type(screen.getByLabelText(/New password again/), 'a long enough one');
  await user.click(screen.getByRole('button', { name: 'Change password' }));
  await waitFor(() => expect(router.state.location.pathname).toBe('/'));
  const sent = asked.find(({ call }) => call === 'POST /api/v1/session/password')?.body;
  expect(sent).toEqual({ current: 'one-time', new: 'a long enough one' });
});

it('goes on only to a page of this console', async () => {
  serve({ 'GET /api/v1/session': REFUSED });
  const { router } = await open('/sign-in?next=//evil.example/');
  expect(router.state.location.search).toEqual({});
});

it('sends a stranger to the sign-in and remembers where he was going', async () => {
  serve({ 'GET /api/v1/session': REFUSED });
  const { router } = await open('/runs?state=failed');
  expect(router.state.location.pathname).toBe('/sign-in');
  expect(router.state.location.search).toEqual({ next: '/runs?state=failed' });
});

it('offers the identity providers of the tenant and goes where they say', async () => {
  const assign = vi.spyOn(away, 'to').mockImplementation(() => {});
  const asked = serve({
    'GET /api/v1/session': REFUSED,
    'GET /api/v1/sign-in-options': {
      password: true,
      providers: [{ id: 'idp_1', name: 'Company', preset: 'custom' }],
    },
    'POST /api/v1/sso/idp_1/start': { url: 'https://login.company.example/authorize?state=x' },
  });
  const { user } = await open('/sign-in?next=/runs&tenant=tnt_1');
  await user.click(await screen.findByRole('button', { name: 'Sign in with Company' }));
  await waitFor(() => expect(assign).toHaveBeenCalledWith('https://login.company.example/authorize?state=x'));
  const start = asked.find(({ call }) => call === 'POST /api/v1/sso/idp_1/start');
  expect(start?.body).toEqual({ next: '/runs' });
  expect(start?.request.headers.get('x-syncline-tenant')).toBe('tnt_1');
});

it('asks for the second factor of whom a provider sends back', async () => {
  let entered = false;
  const asked = serve({
    'GET /api/v1/session': () => (entered ? SESSION : REFUSED()),
    'GET /api/v1/session/second': STAGE,
    'POST /api/v1/session/second': () => {
      entered = true;
      return SESSION;
    },
  });
  const { user, router } = await open('/sign-in?second=true&next=%2Fconflicts');
  expect(await screen.findByRole('heading', { level: 1, name: 'One more step' })).toBeTruthy();
  await user.type(await screen.findByLabelText(/Code/), '123456');
  await user.click(screen.getByRole('button', { name: 'Sign in' }));
  await waitFor(() => expect(router.state.location.pathname).toBe('/conflicts'));
  const sent = asked.filter(({ call }) => call === 'POST /api/v1/session/second').map(({ body }) => body);
  expect(sent).toEqual([{ method: 'totp', code: '123456', remember: false }]);
});

it('begins anew where the provider sent one back too long ago', async () => {
  serve({
    'GET /api/v1/session': REFUSED,
    'GET /api/v1/session/second': REFUSED,
    'GET /api/v1/sign-in-options': { password: true, providers: [] },
  });
  await open('/sign-in?second=true');
  expect((await screen.findByRole('alert')).textContent).toContain('took too long');
  expect(screen.getByLabelText(/Password/)).toBeTruthy();
});

it('says that a provider did not let one in', async () => {
  serve({ 'GET /api/v1/session': REFUSED, 'GET /api/v1/sign-in-options': { password: true, providers: [] } });
  await open('/sign-in?refused=unauthenticated');
  expect(screen.getByRole('alert').textContent).toContain('could not be signed in');
});

it('asks for the second factor, says when a code is wrong, and remembers the browser', async () => {
  let entered = false;
  let tries = 0;
  const asked = serve({
    'GET /api/v1/session': () => (entered ? SESSION : REFUSED()),
    'POST /api/v1/session': json(STAGE, 202),
    'POST /api/v1/session/second': () => {
      tries += 1;
      if (tries === 1) return problem(401, 'unauthenticated', 'this is not right');
      entered = true;
      return SESSION;
    },
  });
  const { user, router } = await open('/sign-in');
  await user.type(screen.getByLabelText(/E-mail/), 'admin@example.com');
  await user.type(screen.getByLabelText(/Password/), 'right');
  await user.click(screen.getByRole('button', { name: 'Sign in' }));
  expect(await screen.findByRole('heading', { level: 1, name: 'One more step' })).toBeTruthy();
  await user.type(screen.getByLabelText(/Code/), '000000');
  await user.click(screen.getByRole('checkbox', { name: /30 days/ }));
  await user.click(screen.getByRole('button', { name: 'Sign in' }));
  expect((await screen.findByRole('alert')).textContent).toContain('not right');
  await user.click(screen.getByRole('button', { name: 'Use a backup code' }));
  await user.type(screen.getByLabelText(/Backup code/), 'ABCD-EFGH-JKLM-NPQR');
  await user.click(screen.getByRole('button', { name: 'Sign in' }));
  await waitFor(() => expect(router.state.location.pathname).toBe('/'));
  const sent = asked.filter(({ call }) => call === 'POST /api/v1/session/second').map(({ body }) => body);
  expect(sent).toEqual([
    { method: 'totp', code: '000000', remember: true },
    { method: 'backup_code', code: 'ABCD-EFGH-JKLM-NPQR', remember: true },
  ]);
});

it('begins again when the second stage took too long', async () => {
  serve({
    'GET /api/v1/session': REFUSED,
    'POST /api/v1/session': json(STAGE, 202),
    'POST /api/v1/session/second': () => problem(401, 'unauthenticated', 'sign in first'),
  });
  const { user } = await open('/sign-in');
  await user.type(screen.getByLabelText(/E-mail/), 'admin@example.com');
  await user.type(screen.getByLabelText(/Password/), 'right');
  await user.click(screen.getByRole('button', { name: 'Sign in' }));
  await user.type(await screen.findByLabelText(/Code/), '123456');
  await user.click(screen.getByRole('button', { name: 'Sign in' }));
  expect((await screen.findByRole('alert')).textContent).toContain('took too long');
});
