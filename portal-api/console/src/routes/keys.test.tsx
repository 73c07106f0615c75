import { screen, waitFor, within } from '@testing-library/react';
import { expect, it } from 'vitest';
import { keyState } from '#/features/keys/queries';
import { open, page, SESSION, serve } from '#/test/render';

const ID = `key_${'a'.repeat(32)}`;

const key = {
  id: ID,
  name: 'Nightly export',
  user_id: 'usr_1',
  permissions: ['records.read'],
  shown: 'slk_abcdefgh',
  calls_per_minute: 600,
  created_at: '2026-11-01T08:00:00Z',
  expires_at: null as string | null,
  last_used_at: null,
  revoked_at: null as string | null,
  old_until: null as string | null,
};
const SECRET = 'slk_abcdefgh-the-rest-of-it';

const base = {
  'GET /api/v1/session': SESSION,
  'GET /api/v1/roles': page([{ role: 'admin', side: 'staff', permissions: SESSION.permissions }]),
  'GET /api/v1/users': page([]),
  'GET /api/v1/keys': page([
    key,
    { ...key, id: `key_${'b'.repeat(32)}`, name: 'Old', revoked_at: key.created_at },
  ]),
  [`GET /api/v1/keys/${ID}`]: key,
  [`GET /api/v1/keys/${ID}/usage`]: page([
    { day: new Date().toISOString().slice(0, 10), operation: 'list_accounts', calls: 12, refused: 2 },
  ]),
};

it.each([
  [{}, 'working'],
  [{ expires_at: '2026-11-25T00:00:00Z' }, 'expiring'],
  [{ expires_at: '2026-12-25T00:00:00Z' }, 'working'],
  [{ expires_at: '2026-11-19T00:00:00Z' }, 'expired'],
  [{ old_until: '2026-11-21T00:00:00Z' }, 'rotating'],
  [{ old_until: '2026-11-19T00:00:00Z' }, 'working'],
  [{ revoked_at: '2026-11-19T00:00:00Z', old_until: '2026-11-21T00:00:00Z' }, 'revoked'],
] as const)('takes a key with %o for %s', (change, state) => {
  expect(keyState({ ...key, ...change }, Date.parse('2026-11-20T00:00:00Z'))).toBe(state);
});

it('lists the keys that the address names', async () => {
  serve(base);
  await open('/keys?state=usable');
  expect(await screen.findByRole('link', { name: 'Nightly export' })).toBeTruthy();
  expect(screen.queryByRole('link', { name: 'Old' })).toBeNull();
  expect(screen.getByText('1 key')).toBeTruthy();
});

it('makes a key with what was chosen and shows its secret once', async () => {
  const asked = serve({ ...base, 'POST /api/v1/keys': { key, secret: SECRET } });
  const { user, router } = await open('/keys/new');
  await user.type(await screen.findByLabelText(/^Name/), 'Nightly export');
  await user.click(await screen.findByText('See accounts and contacts'));
  await user.click(screen.getByRole('button', { name: 'Create key' }));
  const dialog = await screen.findByRole('dialog', { name: 'Secret of “Nightly export”' });
  expect(dialog.textContent).toContain(SECRET);
  const sent = asked.find(({ call }) => call === 'POST /api/v1/keys')?.body as Record<string, unknown>;
  expect(sent).toMatchObject({
    name: 'Nightly export',
    permissions: ['records.read'],
    calls_per_minute: 600,
  });
  expect(Date.parse(String(sent.expires_at))).toBeGreaterThan(Date.now() + 89 * 86_400_000);
  await user.click(within(dialog).getByRole('button', { name: 'I have kept it' }));
  await waitFor(() => expect(router.state.location.pathname).toBe(`/keys/${ID}`));
  expect(screen.queryByText(SECRET)).toBeNull();
});

it('rotates with an overlap, and says what the key was used for', async () => {
  const asked = serve({ ...base, [`POST /api/v1/keys/${ID}/rotate`]: { key, secret: SECRET } });
  const { user } = await open(`/keys/${ID}`);
  expect(await screen.findByRole('img', { name: /^12 calls, 2 of them over the limit/ })).toBeTruthy();
  expect(screen.getByText('list_accounts')).toBeTruthy();
  await user.click(screen.getByRole('button', { name: 'Rotate' }));
  const dialog = await screen.findByRole('dialog', { name: 'Rotate key “Nightly export”' });
  await user.click(within(dialog).getByRole('button', { name: 'Make the new secret' }));
  expect((await screen.findByRole('dialog', { name: /^Secret of/ })).textContent).toContain(SECRET);
  const sent = asked.find(({ call }) => call.startsWith('POST'))?.body;
  expect(sent).toEqual({ overlap_minutes: 1440 });
});

it('offers only to revoke the key of somebody else, and nothing for one that has ended', async () => {
  const theirs = { ...key, user_id: 'usr_2' };
  const answers: Record<string, unknown> = { ...base, [`GET /api/v1/keys/${ID}`]: theirs };
  serve(answers);
  await open(`/keys/${ID}`);
  expect(await screen.findByRole('button', { name: 'Revoke' })).toBeTruthy();
  expect(screen.queryByRole('button', { name: 'Rotate' })).toBeNull();
  expect(screen.getByText(/only they can rotate it/)).toBeTruthy();
});
