import { screen, waitFor } from '@testing-library/react';
import { expect, it } from 'vitest';
import { open, page, SESSION, serve } from '#/test/render';

const base = {
  'GET /api/v1/session': SESSION,
  'GET /api/v1/connections': page([]),
  'GET /api/v1/fields/account': [],
};

const run = {
  id: `run_${'0'.repeat(32)}`,
  workflow: 'pull_stream',
  version: 1,
  state: 'failed',
  subject: 'Salesforce · Account',
  connection_id: null,
  stream: 'Account',
  key: null,
  trigger: 'manual',
  attempt: 2,
  created_at: '2026-05-01T00:00:00Z',
  started_at: '2026-05-01T00:00:00Z',
  finished_at: '2026-05-01T00:00:02Z',
  due_at: null,
  progress: null,
  error: { class: 'auth', message: 'the sign-in was refused', code: null, who: 'tenant' },
  counts: null,
};

it('asks the server for what the address says', async () => {
  const asked = serve({ ...base, 'GET /api/v1/runs': page([run]) });
  await open('/runs?state=failed&error_class=auth');
  expect(await screen.findByRole('link', { name: /^Pull.*Salesforce · Account$/ })).toBeTruthy();
  const query = new URL(asked.find(({ call }) => call === 'GET /api/v1/runs')?.request.url ?? '')
    .searchParams;
  expect(Object.fromEntries(query)).toMatchObject({ state: 'failed', error_class: 'auth' });
  expect(screen.getByText('the sign-in was refused')).toBeTruthy();
  expect(screen.getByText('1 run')).toBeTruthy();
});

it('asks for everything when the address names a filter that does not exist', async () => {
  const asked = serve({ ...base, 'GET /api/v1/runs': page([]) });
  await open('/runs?state=sideways');
  await screen.findByText('No runs yet');
  const query = new URL(asked.find(({ call }) => call === 'GET /api/v1/runs')?.request.url ?? '')
    .searchParams;
  expect(query.has('state')).toBe(false);
});

it('says what would be here when there is nothing yet', async () => {
  serve({ ...base, 'GET /api/v1/accounts': page([]) });
  await open('/accounts');
  expect(await screen.findByText('No accounts yet')).toBeTruthy();
  expect(screen.getByRole('link', { name: 'Go to connections' })).toBeTruthy();
});

it('offers to clear the filters when nothing matches them', async () => {
  const asked = serve({ ...base, 'GET /api/v1/accounts': page([]) });
  const { user, router } = await open('/accounts?q=zzz');
  expect(await screen.findByText('Nothing matches')).toBeTruthy();
  await user.click(screen.getAllByRole('button', { name: 'Clear filters' })[0] as HTMLElement);
  await waitFor(() => expect(router.state.location.search).toEqual({}));
  expect(asked.filter(({ call }) => call === 'GET /api/v1/accounts').length).toBeGreaterThan(1);
});

it('is glad when there are no conflicts', async () => {
  serve({ ...base, 'GET /api/v1/conflicts': page([]) });
  await open('/conflicts');
  expect(
    await screen.findByText(
      'When two systems change the same field and no rule decides, the choice waits here.',
    ),
  ).toBeTruthy();
});

it('shows an address it does not know as not found, inside the frame', async () => {
  serve(base);
  await open('/no/such/page');
  expect(await screen.findByRole('heading', { level: 1, name: 'Not found' })).toBeTruthy();
  expect(screen.getByRole('navigation', { name: 'Pages' })).toBeTruthy();
});

it('begins with their own accounts for a success manager, and shows all on request', async () => {
  const csm = { ...SESSION, user: { ...SESSION.user, role: 'csm' }, permissions: ['records.read'] };
  const asked = serve({
    'GET /api/v1/session': csm,
    'GET /api/v1/accounts': page([]),
    'GET /api/v1/fields/account': [],
  });
  const { user } = await open('/accounts');
  const holders = () =>
    asked
      .filter(({ call }) => call === 'GET /api/v1/accounts')
      .map(({ request }) => new URL(request.url).searchParams.get('assigned_to'));
  expect(await screen.findByText('Nothing matches')).toBeTruthy();
  expect(holders()).toEqual(['me']);
  await user.click(screen.getByRole('button', { name: /^Me Looked after by/ }));
  await user.click(await screen.findByRole('option', { name: 'Everybody' }));
  await waitFor(() => expect(holders()).toEqual(['me', null]));
});
