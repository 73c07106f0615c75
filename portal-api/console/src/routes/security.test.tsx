import { screen, waitFor, within } from '@testing-library/react';
import { expect, it, vi } from 'vitest';
import { away } from '#/lib/away';
import { open, page, problem, SESSION, serve } from '#/test/render';

const FACTORS = {
  totp_since: null,
  sms_ends_with: null,
  passkeys: 0,
  backup_codes_left: 0,
  methods: [],
  available: ['totp'],
  due: null,
  fresh_until: '2026-11-20T08:15:00Z',
  step_up_provider: null,
};

const TOTP = {
  secret: 'ABCDEFGHIJKL',
  uri: 'otpauth://totp/x',
  picture: 'data:image/svg+xml;base64,PHN2Zy8+',
};
const CODES = ['AAAA-BBBB-CCCC-DDDD', 'EEEE-FFFF-GGGG-HHHH'];

it('sets an authenticator app up after it asked who one is, and shows the backup codes once', async () => {
  let isProven = false;
  let factors: object = FACTORS;
  const asked = serve({
    'GET /api/v1/session': SESSION,
    'GET /api/v1/factors': () => factors,
    'GET /api/v1/passkeys': page([]),
    'GET /api/v1/devices': page([]),
    'GET /api/v1/sessions': page([]),
    'POST /api/v1/factors/totp': () => (isProven ? TOTP : problem(403, 'step-up-required', 'again')),
    'POST /api/v1/session/step-up': () => {
      isProven = true;
      return { fresh_until: '2026-11-20T08:30:00Z' };
    },
    'POST /api/v1/factors/totp/confirm': () => {
      factors = { ...FACTORS, totp_since: '2026-11-20T08:00:00Z', backup_codes_left: 10 };
      return { backup_codes: CODES };
    },
  });
  const { user } = await open('/security');
  await user.click(await screen.findByRole('button', { name: 'Set up' }));
  const proof = await screen.findByRole('dialog', { name: 'Show that it is you' });
  await user.type(within(proof).getByLabelText(/Password/), 'mine');
  await user.click(within(proof).getByRole('button', { name: 'Go on' }));
  const app = await screen.findByRole('dialog', { name: 'Authenticator app' });
  expect(within(app).getByRole('img').getAttribute('src')).toBe(TOTP.picture);
  expect(app.textContent).toContain('ABCD EFGH IJKL');
  await user.type(within(app).getByLabelText(/Code/), '123456');
  await user.click(within(app).getByRole('button', { name: 'Confirm' }));
  const codes = await screen.findByRole('dialog', { name: 'Your backup codes' });
  for (const code of CODES) expect(codes.textContent).toContain(code);
  await user.click(within(codes).getByRole('button', { name: 'I have kept them' }));
  expect(await screen.findByText('10 left')).toBeTruthy();
  expect(screen.queryByText(CODES[0] as string)).toBeNull();
  const sent = asked.filter(({ call }) => call.startsWith('POST')).map(({ body }) => body);
  expect(sent).toContainEqual({ method: 'password', secret: 'mine' });
});

it('sends whoever came from a provider there to show who they are, or takes a password', async () => {
  const to = vi.spyOn(away, 'to').mockImplementation(() => {});
  const asked = serve({
    'GET /api/v1/session': SESSION,
    'GET /api/v1/factors': { ...FACTORS, step_up_provider: 'Company' },
    'GET /api/v1/passkeys': page([]),
    'GET /api/v1/devices': page([]),
    'GET /api/v1/sessions': page([]),
    'POST /api/v1/factors/totp': () => problem(403, 'step-up-required', 'again'),
    'POST /api/v1/session/step-up/provider': { url: 'https://id.example.com/authorize?x=1' },
  });
  const { user } = await open('/security');
  await user.click(await screen.findByRole('button', { name: 'Set up' }));
  const proof = await screen.findByRole('dialog', { name: 'Show that it is you' });
  await user.click(await within(proof).findByRole('button', { name: 'Go to Company' }));
  await waitFor(() => expect(to).toHaveBeenCalledWith('https://id.example.com/authorize?x=1'));
  const sent = asked.find(({ call }) => call === 'POST /api/v1/session/step-up/provider');
  expect(sent?.body).toEqual({ next: globalThis.location.pathname + globalThis.location.search });
  await user.click(within(proof).getByRole('button', { name: 'Use a password instead' }));
  expect(within(proof).getByLabelText(/Password/)).toBeTruthy();
  to.mockRestore();
});

it('leads whoever must have a second factor to this page and nowhere else', async () => {
  serve({
    'GET /api/v1/session': { ...SESSION, user: { ...SESSION.user, must_enrol: true } },
    'GET /api/v1/factors': FACTORS,
    'GET /api/v1/passkeys': page([]),
    'GET /api/v1/devices': page([]),
    'GET /api/v1/sessions': page([]),
  });
  const { router } = await open('/accounts');
  expect(router.state.location.pathname).toBe('/security');
  expect((await screen.findAllByRole('alert'))[0]?.textContent).toContain('needs a second factor');
});

it('asks before a second factor is removed', async () => {
  const PASSKEY = { id: 'psk_1', name: 'Laptop', created_at: '2026-11-20T08:00:00Z', last_used_at: null };
  const asked = serve({
    'GET /api/v1/session': SESSION,
    'GET /api/v1/factors': {
      ...FACTORS,
      totp_since: '2026-11-20T08:00:00Z',
      sms_ends_with: '67',
      passkeys: 1,
      available: ['totp', 'sms'],
    },
    'GET /api/v1/passkeys': page([PASSKEY]),
    'GET /api/v1/devices': page([]),
    'GET /api/v1/sessions': page([]),
    'DELETE /api/v1/factors/totp': () => new Response(null, { status: 204 }),
    'DELETE /api/v1/factors/sms': () => problem(409, 'conflict', 'not now'),
    'DELETE /api/v1/passkeys/psk_1': () => new Response(null, { status: 204 }),
  });
  const removals = () => asked.filter(({ call }) => call.startsWith('DELETE')).map(({ call }) => call);
  const { user } = await open('/security');
  const [app, phone] = await screen.findAllByRole('button', { name: 'Remove' });
  await user.click(app as HTMLElement);
  let dialog = await screen.findByRole('dialog', { name: 'Remove the authenticator app' });
  await user.click(within(dialog).getByRole('button', { name: 'Cancel' }));
  expect(removals()).toEqual([]);
  await user.click(app as HTMLElement);
  dialog = await screen.findByRole('dialog', { name: 'Remove the authenticator app' });
  await user.click(within(dialog).getByRole('button', { name: 'Remove' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(removals()).toEqual(['DELETE /api/v1/factors/totp']);
  await user.click(screen.getByRole('button', { name: 'Remove Laptop' }));
  dialog = await screen.findByRole('dialog', { name: 'Remove Laptop' });
  await user.click(within(dialog).getByRole('button', { name: 'Remove' }));
  await waitFor(() => expect(removals()).toContain('DELETE /api/v1/passkeys/psk_1'));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  // What is refused stays open and says why.
  await user.click(phone as HTMLElement);
  dialog = await screen.findByRole('dialog', { name: 'Remove the phone number' });
  await user.click(within(dialog).getByRole('button', { name: 'Remove' }));
  expect((await within(dialog).findByRole('alert')).textContent).toContain('not now');
});
