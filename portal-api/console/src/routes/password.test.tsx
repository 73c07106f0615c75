import { screen, waitFor } from '@testing-library/react';
import { expect, it } from 'vitest';
import { open, problem, SESSION, serve } from '#/test/render';

it('takes another password after one that the policy refused', async () => {
  const message = 'password was used before';
  let isRefused = true;
  const asked = serve({
    'GET /api/v1/session': SESSION,
    'POST /api/v1/session/password': () =>
      isRefused
        ? problem(422, 'invalid-field', message, { errors: [{ pointer: '/new', message }] })
        : new Response(null, { status: 204 }),
  });
  const { user, router } = await open('/password');
  const choose = async (password: string) => {
    for (const label of [/^New password \*$/, /New password again/]) {
      await user.clear(screen.getByLabelText(label));
      await user.type(screen.getByLabelText(label), password);
    }
    await user.click(screen.getByRole('button', { name: 'Change password' }));
  };
  await user.type(screen.getByLabelText(/One-time password/), 'one-time');
  await choose('the one of last year');
  await screen.findByText(message);
  isRefused = false;
  await choose('one that nobody had');
  await waitFor(() => expect(router.state.location.pathname).toBe('/'));
  expect(asked.find(({ body }) => body)?.body).toEqual({ current: 'one-time', new: 'the one of last year' });
  expect(asked.findLast(({ body }) => body)?.body).toEqual({
    current: 'one-time',
    new: 'one that nobody had',
  });
});
