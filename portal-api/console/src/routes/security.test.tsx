import { screen, within } from '@testing-library/react';
import { expect, it } from 'vitest';
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
