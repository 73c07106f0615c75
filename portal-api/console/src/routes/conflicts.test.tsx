import { screen, waitFor } from '@testing-library/react';
import { expect, it } from 'vitest';
import { open, page, SESSION, serve } from '#/test/render';

const conflict = {
  id: `cfl_${'0'.repeat(32)}`,
  version: 2,
  entity: 'account',
  entity_id: `acc_${'0'.repeat(32)}`,
  entity_name: 'Acme',
  connection_id: `con_${'0'.repeat(32)}`,
  connection_name: 'Salesforce',
  stream: 'Account',
  group: 'phone',
  fields: [{ name: 'phone', label: 'Phone', base: '100', core: '200', remote: '300' }],
  kind: 'edit',
  opened_at: '2026-05-01T00:00:00Z',
  run_id: null,
  state: 'open',
  resolution: null,
};
const resolve = `POST /api/v1/conflicts/${conflict.id}/resolve`;

function table(answer: unknown) {
  return serve({
    'GET /api/v1/session': SESSION,
    'GET /api/v1/connections': page([]),
    'GET /api/v1/conflicts': page([conflict]),
    [`GET /api/v1/conflicts/${conflict.id}`]: conflict,
    [resolve]: answer,
  });
}

const done = {
  ...conflict,
  version: 3,
  state: 'resolved',
  resolution: { choice: 'remote', by: 'Admin', at: conflict.opened_at, note: null },
};

it('takes a side by its number and sends the note with the version', async () => {
  const asked = table(done);
  const { user } = await open('/conflicts');
  await screen.findByRole('radio', { name: /Salesforce.*300/ });
  await user.keyboard('2');
  await user.type(screen.getByRole('textbox', { name: 'Note' }), 'they called');
  await user.click(screen.getByRole('button', { name: 'Take the value from Salesforce' }));
  await waitFor(() => expect(asked.some(({ call }) => call === resolve)).toBe(true));
  const sent = asked.find(({ call }) => call === resolve);
  expect(sent?.body).toEqual({ choice: 'remote', note: 'they called' });
  expect(sent?.request.headers.get('if-match')).toBe('"2"');
});

it('sends another value when neither side is right', async () => {
  const asked = table(done);
  const { user } = await open('/conflicts');
  await screen.findByRole('radio', { name: /Salesforce.*300/ });
  await user.keyboard('e');
  const input = await screen.findByRole('textbox', { name: 'Phone' });
  await user.clear(input);
  await user.type(input, '400');
  await user.click(screen.getByRole('button', { name: 'Use these values' }));
  await waitFor(() =>
    expect(asked.find(({ call }) => call === resolve)?.body).toEqual({
      choice: 'value',
      values: { phone: '400' },
    }),
  );
});

it('does nothing before a side is chosen', async () => {
  table(done);
  await open('/conflicts');
  const button = await screen.findByRole('button', { name: 'Choose a side' });
  expect(button.hasAttribute('disabled')).toBe(true);
});

it('says what was written over, and how one ended that nobody answered', async () => {
  const ended = {
    ...conflict,
    kind: 'overwritten',
    state: 'resolved',
    resolution: { choice: 'joined', by: null, at: conflict.opened_at, note: null },
  };
  serve({
    'GET /api/v1/session': SESSION,
    'GET /api/v1/connections': page([]),
    'GET /api/v1/conflicts': page([ended]),
    [`GET /api/v1/conflicts/${conflict.id}`]: ended,
  });
  await open('/conflicts');
  await screen.findByText(/went over what was set in Salesforce/);
  await screen.findByText(/The record went into another one/);
});
