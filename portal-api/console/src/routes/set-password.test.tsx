import { screen, waitFor } from '@testing-library/react';
import { expect, it } from 'vitest';
import { open, problem, serve } from '#/test/render';

const TOKEN = 'Zx9-_link';
const ADDRESS = `/set-password#${TOKEN}`;
const REDEEM = 'POST /api/v1/session/link';
const SET = () => new Response(null, { status: 204 });
const refused = (pointer: string, message: string) => () =>
  problem(422, 'invalid-field', message, { errors: [{ pointer, message }] });

type User = Awaited<ReturnType<typeof open>>['user'];

const fresh = () => screen.getByLabelText(/^New password \*$/);
const title = (name: string) => screen.findByRole('heading', { level: 1, name });

async function choose(user: User, password: string, again = password) {
  await user.clear(fresh());
  await user.type(fresh(), password);
  await user.clear(screen.getByLabelText(/New password again/));
  await user.type(screen.getByLabelText(/New password again/), again);
  await user.click(screen.getByRole('button', { name: 'Set password' }));
}

it('takes the token out of the address and sends it with the password', async () => {
  const asked = serve({
    'GET /api/v1/session': () => problem(401, 'unauthenticated', 'sign in'),
    [REDEEM]: SET,
  });
  const { user, router } = await open(ADDRESS);
  await waitFor(() => expect(router.history.location.href).toBe('/set-password'));
  expect(router.history.length).toBe(1);
  expect(asked).toEqual([]);
  await choose(user, 'a long enough one');
  const done = await title('Your password is set');
  expect(document.activeElement).toBe(done);
  expect(asked.map(({ call, body }) => ({ call, body }))).toEqual([
    { call: REDEEM, body: { token: TOKEN, password: 'a long enough one' } },
  ]);
  await user.click(screen.getByRole('link', { name: 'Sign in' }));
  expect(await title('Sign in')).toBeTruthy();
  expect(router.state.location.pathname).toBe('/sign-in');
});

it('sends nothing while the two passwords differ', async () => {
  const asked = serve({ [REDEEM]: SET });
  const { user } = await open(ADDRESS);
  await choose(user, 'a long enough one', 'a long enough onf');
  expect(await screen.findByText('The two are not the same')).toBeTruthy();
  expect(asked).toEqual([]);
  await choose(user, 'a long enough one');
  expect(await title('Your password is set')).toBeTruthy();
});

it('shows what the policy says of a password at its field and takes a better one', async () => {
  let answer = refused('/password', 'password was used before');
  const asked = serve({ [REDEEM]: () => answer() });
  const { user } = await open(ADDRESS);
  await choose(user, 'the one of last year');
  const message = await screen.findByText('password was used before');
  expect(fresh().getAttribute('aria-describedby')).toContain(message.id);
  expect(fresh().getAttribute('aria-invalid')).toBe('true');
  answer = SET;
  await choose(user, 'one that nobody had');
  expect(await title('Your password is set')).toBeTruthy();
  expect(asked.map(({ body }) => body)).toEqual([
    { token: TOKEN, password: 'the one of last year' },
    { token: TOKEN, password: 'one that nobody had' },
  ]);
});

it('says why a link does not work and leads to a new one', async () => {
  serve({ [REDEEM]: refused('/token', 'this link was used or does not hold any more') });
  const { user, router } = await open(ADDRESS);
  await choose(user, 'a long enough one');
  expect(await title('This link does not work')).toBeTruthy();
  expect(screen.getByRole('alert').textContent).toBe('this link was used or does not hold any more');
  expect(screen.queryByLabelText(/New password/)).toBeNull();
  await user.click(screen.getByRole('link', { name: 'Ask for a new link' }));
  expect(await title('Forgot your password?')).toBeTruthy();
  expect(router.state.location.pathname).toBe('/forgot-password');
});

it('takes up another link that is opened in the same tab', async () => {
  let answer = refused('/token', 'this link was used or does not hold any more');
  const asked = serve({ [REDEEM]: () => answer() });
  const { user, router } = await open(ADDRESS);
  await choose(user, 'a long enough one');
  await title('This link does not work');
  router.history.push('/set-password#another');
  await title('Set your password');
  answer = SET;
  await choose(user, 'a long enough one');
  await title('Your password is set');
  expect(asked[1]?.body).toEqual({ token: 'another', password: 'a long enough one' });
  expect(router.history.location.href).toBe('/set-password');
});

it('asks for nothing without a token', async () => {
  serve({});
  await open('/set-password');
  expect(await title('This link is not whole')).toBeTruthy();
  expect(screen.queryByRole('button', { name: 'Set password' })).toBeNull();
  expect(screen.getByRole('link', { name: 'Ask for a new link' }).getAttribute('href')).toBe(
    '/forgot-password',
  );
});

it('keeps the form when the server does not answer', async () => {
  let fails = true;
  serve({
    [REDEEM]: () => (fails ? problem(429, 'rate-limited', 'too many failed attempts; wait a while') : SET()),
  });
  const { user } = await open(ADDRESS);
  await choose(user, 'a long enough one');
  expect((await screen.findByRole('alert')).textContent).toContain('too many failed attempts');
  fails = false;
  await user.click(screen.getByRole('button', { name: 'Set password' }));
  expect(await title('Your password is set')).toBeTruthy();
});
