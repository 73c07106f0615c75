import { screen, waitFor, within } from '@testing-library/react';
import { expect, it } from 'vitest';
import { json, open, page, problem, SESSION, serve } from '#/test/render';

const ID = `acc_${'0'.repeat(32)}`;
const CON = `con_${'1'.repeat(32)}`;

const record = {
  id: ID,
  version: 7,
  fields: { name: 'Acme', phone: '+1 200 555 0100' },
  links: [],
  created_at: '2026-05-01T00:00:00Z',
  updated_at: '2026-05-01T00:00:00Z',
};
const origin = {
  kind: 'connection',
  connection_id: CON,
  user: null,
  run_id: null,
  mapping_version: 3,
  at: '2026-05-01T00:00:00Z',
  rule: 'newest',
  sentence: 'Salesforce changed it last, so its value was taken.',
};
const side = {
  connection_id: CON,
  present: true,
  base_present: true,
  at: null,
  pending: false,
  write_state: null,
  error: null,
};
const provenance = {
  connections: [{ id: CON, name: 'Salesforce', system: 'salesforce', stream: 'Account', key: '001' }],
  fields: [
    {
      name: 'name',
      label: 'Name',
      type: 'text',
      group: null,
      value: 'Acme',
      origin,
      sides: [{ ...side, value: 'Acme', base: 'Acme' }],
      conflict_id: null,
      agrees: true,
    },
    {
      name: 'phone',
      label: 'Phone',
      type: 'phone',
      group: null,
      value: '+1 200 555 0100',
      origin,
      sides: [{ ...side, value: '+1 200 555 0199', base: '+1 200 555 0100' }],
      conflict_id: null,
      agrees: false,
    },
  ],
};
const entry = {
  group: null,
  required: false,
  custom: false,
  scale: null,
  max_length: null,
  choices: [],
  references: null,
};
const fields = [
  { ...entry, name: 'name', label: 'Name', type: 'text', required: true },
  { ...entry, name: 'phone', label: 'Phone', type: 'phone' },
];

const answers = {
  'GET /api/v1/session': SESSION,
  [`GET /api/v1/accounts/${ID}`]: record,
  [`GET /api/v1/accounts/${ID}/provenance`]: provenance,
  [`GET /api/v1/accounts/${ID}/timeline`]: page([]),
  'GET /api/v1/fields/account': fields,
};

async function editPhone(user: Awaited<ReturnType<typeof open>>['user'], value: string) {
  await user.click(await screen.findByRole('button', { name: 'Edit Phone' }));
  const input = screen.getByRole('textbox', { name: 'Phone' });
  await user.clear(input);
  await user.type(input, `${value}{Enter}`);
}

it('marks the value that differs and says why the core has its own', async () => {
  serve(answers);
  const { user } = await open(`/accounts/${ID}`);
  const row = (await screen.findByRole('rowheader', { name: 'Phone' })).closest<HTMLElement>('[role="row"]');
  if (!row) throw new Error('the field has no row');
  expect(within(row).getByText('Differs from the core:')).toBeTruthy();
  await user.click(within(row).getByRole('button', { name: 'Why: Phone' }));
  expect(screen.getByText('Salesforce changed it last, so its value was taken.')).toBeTruthy();
});

it('sends an edit with the version that was read', async () => {
  const asked = serve({ ...answers, [`PATCH /api/v1/accounts/${ID}`]: { ...record, version: 8 } });
  const { user } = await open(`/accounts/${ID}`);
  await editPhone(user, '+1 300 555 0100');
  await waitFor(() => expect(asked.some(({ call }) => call.startsWith('PATCH'))).toBe(true));
  const patch = asked.find(({ call }) => call.startsWith('PATCH'));
  expect(patch?.request.headers.get('if-match')).toBe('"7"');
  expect(patch?.body).toEqual({ fields: { phone: '+1 300 555 0100' } });
});

it('shows what the server refused beside the field', async () => {
  const refusal = problem(422, 'invalid-field', 'one value is not valid', {
    errors: [{ pointer: '/fields/phone', message: 'is not a phone number' }],
  });
  serve({ ...answers, [`PATCH /api/v1/accounts/${ID}`]: () => refusal.clone() });
  const { user } = await open(`/accounts/${ID}`);
  await editPhone(user, 'call me');
  expect(await screen.findByText('is not a phone number')).toBeTruthy();
});

it('shows all three values when the record moved on, and saves over the newest version on request', async () => {
  const current = { ...record, version: 9, fields: { ...record.fields, phone: '+1 999 555 0000' } };
  const asked = serve({
    ...answers,
    [`PATCH /api/v1/accounts/${ID}`]: (request: Request) =>
      request.headers.get('if-match') === '"9"'
        ? json({ ...current, version: 10 })
        : problem(412, 'stale', 'changed meanwhile', { current }),
  });
  const { user } = await open(`/accounts/${ID}`);
  await editPhone(user, '+1 300 555 0100');
  const dialog = await screen.findByRole('dialog', { name: 'Phone changed meanwhile' });
  for (const value of ['+1 200 555 0100', '+1 999 555 0000', '+1 300 555 0100']) {
    expect(within(dialog).getByText(value)).toBeTruthy();
  }
  await user.click(within(dialog).getByRole('button', { name: 'Save mine over it' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(
    asked
      .filter(({ call }) => call.startsWith('PATCH'))
      .map(({ request }) => request.headers.get('if-match')),
  ).toEqual(['"7"', '"9"']);
});

it('says what is wrong, with the request to hand on, when the record cannot be read', async () => {
  serve({
    ...answers,
    [`GET /api/v1/accounts/${ID}`]: () => problem(500, 'internal', 'the database did not answer'),
  });
  await open(`/accounts/${ID}`);
  const alert = (await screen.findByText('the database did not answer')).closest<HTMLElement>(
    '[role="alert"]',
  );
  if (!alert) throw new Error('the error is not announced');
  expect(within(alert).getByTitle('req_0123456789abcdef')).toBeTruthy();
  expect(within(alert).getByRole('button', { name: 'Try again' })).toBeTruthy();
});
