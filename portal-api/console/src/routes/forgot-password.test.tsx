import { screen } from '@testing-library/react';
import { expect, it } from 'vitest';
import { open, problem, serve } from '#/test/render';

const RESET = 'POST /api/v1/session/reset';

async function ask() {
  const { user, router } = await open('/forgot-password');
  await user.type(screen.getByLabelText(/E-mail/), 'ada@example.com');
  await user.click(screen.getByRole('button', { name: 'Send the link' }));
  return { user, router };
}

it('is come to from the sign-in', async () => {
  serve({ 'GET /api/v1/session': () => problem(401, 'unauthenticated', 'sign in') });
  const { user, router } = await open('/sign-in');
  await user.click(screen.getByRole('link', { name: 'Forgot your password?' }));
  expect(await screen.findByRole('heading', { level: 1, name: 'Forgot your password?' })).toBeTruthy();
  expect(router.state.location.pathname).toBe('/forgot-password');
});

it('says that a link is sent if there is such an account, and never the address', async () => {
  const asked = serve({ [RESET]: () => new Response(null, { status: 202 }) });
  await ask();
  const title = await screen.findByRole('heading', { level: 1, name: 'Look into your mailbox' });
  expect(document.activeElement).toBe(title);
  expect(screen.getByText(/^If somebody signs in with this address/)).toBeTruthy();
  expect(document.body.textContent).not.toContain('ada@example.com');
  expect(asked.map(({ call, body }) => ({ call, body }))).toEqual([
    { call: RESET, body: { email: 'ada@example.com' } },
  ]);
});

it('says that this hub sends no e-mail instead of that one was sent', async () => {
  serve({
    [RESET]: () => problem(409, 'conflict', 'this hub cannot send e-mail: ask an admin for a link'),
  });
  await ask();
  expect((await screen.findByRole('alert')).textContent).toContain('ask an admin for a link');
  expect(screen.queryByText('Look into your mailbox')).toBeNull();
});

it('asks for an address before it sends anything', async () => {
  const asked = serve({});
  const { user } = await open('/forgot-password');
  await user.click(screen.getByRole('button', { name: 'Send the link' }));
  await user.type(screen.getByLabelText(/E-mail/), 'not an address');
  await user.click(screen.getByRole('button', { name: 'Send the link' }));
  expect(screen.getByLabelText(/E-mail/).getAttribute('aria-invalid')).toBe('true');
  expect(asked).toEqual([]);
});
