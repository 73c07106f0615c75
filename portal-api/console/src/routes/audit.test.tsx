import { screen, waitFor, within } from '@testing-library/react';
import { expect, it, vi } from 'vitest';
import { open, page, problem, SESSION, serve } from '#/test/render';

const ADA = `usr_${'a'.repeat(32)}`;

const entry = {
  seq: 7,
  at: '2026-11-20T08:00:00Z',
  actor: { kind: 'user', id: ADA, name: 'Ada' },
  address: '10.0.0.1',
  request: 'req_1',
  action: 'update_user',
  subject_kind: 'user',
  subject_id: `usr_${'b'.repeat(32)}`,
  before: { role: 'viewer', name: 'Ben', groups: ['one', 'two'] },
  after: { role: 'admin', name: 'Ben', groups: ['two', 'three'] },
  hash: 'f'.repeat(64),
};
const refused = { ...entry, seq: 6, action: 'refused:update_user', before: null, after: null };

const base = {
  'GET /api/v1/session': SESSION,
  'GET /api/v1/users': page([]),
  [`GET /api/v1/users/${ADA}`]: { id: ADA, name: 'Ada' },
  'GET /api/v1/keys': page([]),
  'GET /api/v1/audit': page([entry, refused]),
};

function asksOf(asked: { call: string; request: Request }[], path: string) {
  return asked
    .filter(({ call }) => call === `GET ${path}`)
    .map(({ request }) => Object.fromEntries(new URL(request.url).searchParams));
}

it('asks for what the address says, days as instants with the last day whole', async () => {
  const asked = serve(base);
  await open(`/audit?actor=${ADA}&action=update_user&subject_kind=user&from=2026-11-19&to=2026-11-20`);
  await screen.findByRole('button', { name: 'Update user' });
  expect(asksOf(asked, '/api/v1/audit')[0]).toMatchObject({
    actor: ADA,
    action: 'update_user',
    subject_kind: 'user',
    since: new Date('2026-11-19T00:00:00').toISOString(),
    until: new Date('2026-11-21T00:00:00').toISOString(),
  });
  await waitFor(() =>
    expect((screen.getByRole('combobox', { name: 'Who' }) as HTMLInputElement).value).toBe('Ada'),
  );
});

it('leaves out a day that is none', async () => {
  const asked = serve(base);
  await open('/audit?from=yesterday&to=2026-13-45');
  await screen.findByRole('button', { name: 'Update user' });
  const asks = asksOf(asked, '/api/v1/audit')[0];
  expect(asks).not.toHaveProperty('since');
  expect(asks).not.toHaveProperty('until');
});

it('shows what an entry changed, value by value, and goes on to the next', async () => {
  serve(base);
  const { user } = await open('/audit');
  await user.click(await screen.findByRole('button', { name: 'Update user' }));
  const sheet = await screen.findByRole('dialog', { name: 'Update user' });
  const changes = within(within(sheet).getByRole('region', { name: 'What changed' }));
  const row = (name: string) => changes.getByText(name).closest('li')?.textContent;
  expect(row('role')).toContain('viewer');
  expect(row('role')).toContain('admin');
  expect(row('groups')).toContain('one');
  expect(row('groups')).toContain('three');
  expect(row('groups')).not.toContain('two');
  expect(changes.queryByText('name')).toBeNull();
  await user.click(changes.getByRole('button', { name: 'Show 1 value that stayed' }));
  expect(changes.getByText('name')).toBeTruthy();
  await user.click(within(sheet).getByRole('button', { name: 'Older entry' }));
  expect(await screen.findByRole('dialog', { name: 'Refused: update user' })).toBeTruthy();
  expect(screen.getByText('This entry notes no values.')).toBeTruthy();
});

it('finds an action by typing, and puts it into the address', async () => {
  serve(base);
  const { user, router } = await open('/audit');
  const action = await screen.findByRole('combobox', { name: 'Action' });
  await user.click(action);
  await user.type(action, 'revoke');
  await user.click(await screen.findByRole('option', { name: 'Revoke key' }));
  await waitFor(() => expect(router.state.location.search).toEqual({ action: 'revoke_key' }));
  await user.clear(action);
  await waitFor(() => expect(router.state.location.search).toEqual({}));
});

it('takes an action as it is typed, by its name or by words of its own, and no person who is not there', async () => {
  serve(base);
  const { user, router } = await open('/audit');
  const action = await screen.findByRole('combobox', { name: 'Action' });
  await user.type(action, 'sign out{Enter}');
  await waitFor(() => expect(router.state.location.search).toEqual({ action: 'sign_out' }));
  await user.clear(action);
  await user.type(action, 'pin_mapping_fixture{Enter}');
  await waitFor(() => expect(router.state.location.search).toEqual({ action: 'pin_mapping_fixture' }));
  await user.clear(action);
  await user.type(action, 'invi{ArrowDown}{Enter}');
  await waitFor(() => expect(router.state.location.search).toEqual({ action: 'invite_user' }));
  const who = screen.getByRole('combobox', { name: 'Who' });
  await user.type(who, 'nobody{Enter}');
  await waitFor(() => expect((who as HTMLInputElement).value).toBe(''));
  expect(router.state.location.search).toEqual({ action: 'invite_user' });
});

it('says that the trail is whole, and where it is not', async () => {
  let answer: object = {
    whole: true,
    entries: 7,
    pruned_until: 0,
    head: { seq: 7, hash: 'f'.repeat(64) },
    broken: null,
  };
  serve({ ...base, 'GET /api/v1/audit/verification': () => answer });
  const { user } = await open('/audit');
  await user.click(await screen.findByRole('button', { name: 'Check the chain' }));
  expect(await screen.findByText(/The trail is whole: 7 entries/)).toBeTruthy();
  answer = {
    whole: false,
    entries: null,
    pruned_until: null,
    head: null,
    broken: { seq: 3, kind: 'missing' },
  };
  await user.click(screen.getByRole('button', { name: 'Check the chain' }));
  expect((await screen.findByRole('alert')).textContent).toContain('Entry #3 is missing.');
});

it('exports what matches, and says why it cannot', async () => {
  const link = vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(() => {});
  URL.createObjectURL = () => 'blob:table';
  URL.revokeObjectURL = () => {};
  let table = new Response('seq,at\r\n', { headers: { 'content-type': 'text/csv' } });
  const asked = serve({ ...base, 'GET /api/v1/audit.csv': () => table });
  const { user } = await open('/audit?action=update_user');
  await user.click(await screen.findByRole('button', { name: 'Export what matches' }));
  await waitFor(() => expect(link).toHaveBeenCalled());
  expect(asksOf(asked, '/api/v1/audit.csv')).toEqual([{ action: 'update_user' }]);
  table = problem(422, 'invalid-field', 'the table is larger than 16 MB: narrow it by time');
  await user.click(screen.getByRole('button', { name: 'Export what matches' }));
  expect((await screen.findByRole('alert')).textContent).toContain('larger than 16 MB');
});
