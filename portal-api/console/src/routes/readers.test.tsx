import { screen, waitFor, within } from '@testing-library/react';
import { beforeEach, expect, it, vi } from 'vitest';
import { type Answer, open, page, SESSION, serve } from '#/test/render';

// Whoever may only look sees everything, and nothing that changes it.

const CON = `con_${'1'.repeat(32)}`;
const SCH = `sch_${'2'.repeat(32)}`;
const RUN = `run_${'3'.repeat(32)}`;
const MAP = `map_${'4'.repeat(32)}`;
const CFL = `cfl_${'5'.repeat(32)}`;
const AT = '2026-05-01T00:00:00Z';

beforeEach(() => {
  vi.spyOn(Intl, 'supportedValuesOf').mockReturnValue(['Europe/Berlin']);
});

const connection = {
  id: CON,
  name: 'Salesforce',
  system: 'salesforce',
  state: 'ok',
  state_sentence: 'On time',
  error: null,
  usage: null,
  streams: 1,
  config: {},
  checked_at: AT,
  created_at: AT,
  version: 1,
};
const stream = {
  stream: 'Account',
  entity: 'account',
  enabled: true,
  mapping_id: MAP,
  mapping_version: 1,
  sentence: 'Read every minute',
  records: 500,
  excluded: 0,
  phase: 'incremental',
  last_read_at: AT,
  version: 1,
};
const schedule = {
  id: SCH,
  name: 'Nightly',
  workflow: 'pull_stream',
  connection_id: CON,
  stream: 'Account',
  cron: '0 2 * * *',
  time_zone: 'UTC',
  gap: 'run_after',
  repeat: 'once',
  starts_at: null,
  ends_at: null,
  jitter_seconds: 0,
  overlap: 'skip',
  catch_up: 'one',
  catch_up_limit: 10,
  paused: false,
  paused_by: null,
  paused_reason: null,
  paused_at: null,
  ended: false,
  next: ['2026-05-02T02:00:00Z'],
  last_at: null,
  last_run_id: null,
  version: 1,
};
const run = {
  id: RUN,
  workflow: 'pull_stream',
  version: 1,
  state: 'failed',
  subject: 'Salesforce · Account',
  connection_id: null,
  stream: 'Account',
  key: 'pull/Account',
  trigger: 'manual',
  forked_from: null,
  deadline: null,
  attempt: 1,
  created_at: AT,
  started_at: AT,
  finished_at: AT,
  due_at: null,
  progress: null,
  error: null,
  counts: null,
  input: null,
  output: null,
  parent_id: null,
  children: 0,
  cancel_requested: false,
  held_by: [],
  trace: null,
  steps: [],
};
const mapping = {
  id: MAP,
  connection_id: CON,
  stream: 'Account',
  entity: 'account',
  version: 1,
  draft: false,
  text: 'text = "as it is"',
  published_text: 'text = "as it is"',
  rows: [],
  problems: [],
  updated_at: AT,
  updated_by: null,
};
const version = { version: 1, state: 'published', fields: 3, created_at: AT, created_by: null };
const conflict = {
  id: CFL,
  version: 1,
  entity: 'account',
  entity_id: `acc_${'6'.repeat(32)}`,
  entity_name: 'Acme',
  connection_id: CON,
  connection_name: 'Salesforce',
  stream: 'Account',
  group: 'phone',
  fields: [{ name: 'phone', label: 'Phone', base: '100', core: '200', remote: '300' }],
  kind: 'edit',
  opened_at: AT,
  run_id: null,
  state: 'open',
  resolution: null,
};

const SERVED: Record<string, Answer> = {
  'GET /api/v1/systems': [{ id: 'salesforce', title: 'Salesforce', config_schema: {} }],
  'GET /api/v1/connections': page([connection]),
  [`GET /api/v1/connections/${CON}`]: connection,
  [`GET /api/v1/connections/${CON}/streams`]: [stream],
  'GET /api/v1/schedules': page([schedule]),
  [`GET /api/v1/schedules/${SCH}`]: schedule,
  'GET /api/v1/runs': page([]),
  [`GET /api/v1/runs/${RUN}`]: run,
  [`GET /api/v1/mappings/${MAP}`]: mapping,
  [`GET /api/v1/mappings/${MAP}/versions`]: page([version]),
  [`GET /api/v1/mappings/${MAP}/versions/1`]: { ...version, text: 'text = "of version 1"' },
  'GET /api/v1/conflicts': page([conflict]),
  [`GET /api/v1/conflicts/${CFL}`]: conflict,
};

const READS = ['hub.read', ...SESSION.permissions.filter((one) => one.endsWith('.read'))];

/** The page with everything, or for somebody who may only look. */
function opened(path: string, more: string[] | 'all' = []) {
  const permissions = more === 'all' ? SESSION.permissions : [...READS, ...more];
  const asked = serve({ ...SERVED, 'GET /api/v1/session': { ...SESSION, permissions } });
  return open(path).then(({ user, router }) => ({ user, router, asked }));
}

const CHANGES: [path: string, there: string, controls: (string | RegExp)[]][] = [
  ['/connections', 'Salesforce', ['Add a connection']],
  [
    `/connections/${CON}`,
    'On time',
    ['Edit', 'Delete', 'Test connection', 'Discover streams', 'Pull now: Account', /^Full read: Account/],
  ],
  ['/schedules', 'Nightly', ['Add a schedule']],
  [`/schedules/${SCH}`, 'Next five times', ['Save', 'Run now', 'Delete', 'Skip next']],
  [`/runs/${RUN}`, 'Steps', ['Retry']],
  [`/mappings/${MAP}?tab=text`, 'Text', ['Publish', 'Save draft']],
  [`/conflicts?id=${CFL}`, 'Acme', ['Choose a side']],
];

function control(name: string | RegExp): HTMLElement | null {
  return screen.queryByRole('button', { name }) ?? screen.queryByRole('link', { name });
}

it.each(CHANGES)('on %s whoever may only look finds nothing to change', async (path, there, controls) => {
  const { asked } = await opened(path);
  expect((await screen.findAllByText(there, { exact: false })).length).toBeGreaterThan(0);
  await waitFor(() => expect(screen.queryByRole('status', { name: /loading/ })).toBeNull());
  expect(screen.queryByText('This page failed')).toBeNull();
  for (const name of controls) expect(control(name), String(name)).toBeNull();
  expect(asked.every(({ call }) => call.startsWith('GET '))).toBe(true);
});

it.each(CHANGES)('on %s an admin finds all of it', async (path, there, controls) => {
  await opened(path, 'all');
  expect((await screen.findAllByText(there, { exact: false })).length).toBeGreaterThan(0);
  for (const name of controls) await waitFor(() => expect(control(name), String(name)).not.toBeNull());
});

it('gives operators what they may do, and no more', async () => {
  await opened(`/connections/${CON}`, ['connections.operate']);
  expect(await screen.findByRole('button', { name: 'Pull now: Account' })).toBeTruthy();
  expect(control('Test connection')).not.toBeNull();
  expect(control('Edit')).toBeNull();
  expect(control('Discover streams')).toBeNull();
  expect((screen.getByRole('checkbox', { name: 'Account' }) as HTMLInputElement).disabled).toBe(true);
});

it('shows a schedule to whoever may only look, with fields that cannot be typed in', async () => {
  await opened(`/schedules/${SCH}`);
  const name = await screen.findByLabelText(/^Name/);
  expect((name as HTMLInputElement).disabled).toBe(true);
  const form = within(name.closest('form') as HTMLElement);
  for (const box of [...form.getAllByRole('textbox'), ...form.getAllByRole('checkbox')])
    expect((box as HTMLInputElement).disabled, box.outerHTML).toBe(true);
});

it('lets whoever may only look read the text of a mapping and its versions, and take none', async () => {
  const { user, router } = await opened(`/mappings/${MAP}?tab=text`);
  const text = await screen.findByRole('textbox', { name: 'Text' });
  expect((text as HTMLTextAreaElement).readOnly).toBe(true);
  await router.navigate({ to: '/mappings/$id', params: { id: MAP }, search: { tab: 'versions' } });
  await user.click(await screen.findByRole('button', { name: /version 1/i }));
  const dialog = await screen.findByRole('dialog');
  expect(await within(dialog).findByDisplayValue('text = "of version 1"')).toBeTruthy();
  expect(within(dialog).getAllByRole('button')).toHaveLength(1);
});

it('does nothing by keys for whoever may only look', async () => {
  const { user, asked } = await opened(`/runs/${RUN}`);
  await screen.findByText('Steps');
  await user.keyboard('r');
  const { user: other } = await opened(`/conflicts?id=${CFL}`);
  await screen.findByRole('radio', { name: /Salesforce.*300/ });
  await other.keyboard('2');
  expect(screen.queryByRole('radio', { checked: true })).toBeNull();
  expect(asked.every(({ call }) => call.startsWith('GET '))).toBe(true);
});

it.each([
  ['/connections/new', 'connections.manage'],
  ['/schedules/new', 'schedules.manage'],
])('says at %s which permission it takes', async (path, permission) => {
  await opened(path);
  expect(await screen.findByText('You may not see this page')).toBeTruthy();
  expect(screen.getByText(permission)).toBeTruthy();
});
