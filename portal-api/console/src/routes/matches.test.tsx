import { screen, waitFor, within } from '@testing-library/react';
import { expect, it } from 'vitest';
import { open, page, problem, SESSION, serve } from '#/test/render';

const id = (kind: string, digit: string) => `${kind}_${digit.repeat(32)}`;

const evidence = {
  field: 'name',
  label: 'Name',
  here: 'Acme Limited',
  there: 'Acme Ltd',
  agreement: 'close',
  weight: 7,
  sentence: 'Name is nearly the same',
};
const match = {
  id: id('mat', '1'),
  version: 4,
  entity: 'account',
  connection_id: id('con', '1'),
  connection_name: 'Salesforce',
  stream: 'Account',
  key: '001000000000001',
  why: 'possible',
  sentence: 'It looks like a record that is here.',
  state: 'open',
  candidates: [
    {
      entity_id: id('acc', '1'),
      entity_name: 'Acme Limited',
      evidence: [evidence],
      is_taken: false,
      score: 7,
    },
    { entity_id: id('acc', '2'), entity_name: '', evidence: [], is_taken: false, score: 5 },
  ],
  opened_at: '2026-05-01T00:00:00Z',
  seen_at: '2026-05-01T00:00:00Z',
  run_id: id('run', '1'),
  answer: null,
};
const detail = {
  ...match,
  fields: [{ name: 'name', label: 'Name', there: 'Acme Ltd', here: { [id('acc', '1')]: 'Acme Limited' } }],
};
const call = `POST /api/v1/matches/${match.id}/answer`;

function table(answer: unknown, one: unknown = detail) {
  return serve({
    'GET /api/v1/session': SESSION,
    'GET /api/v1/connections': page([]),
    'GET /api/v1/matches': page([match]),
    [`GET /api/v1/matches/${match.id}`]: one,
    [call]: answer,
  });
}

it('links with the candidate of a number and sends the note with the version', async () => {
  const asked = table(match);
  const { user } = await open('/matches');
  await screen.findByRole('radio', { name: /Acme Limited/ });
  const row = screen.getByRole('row', { name: /Name.*Acme Ltd.*Acme Limited/ });
  within(row).getByText('Nearly the same');
  await user.keyboard('1');
  await user.type(screen.getByRole('textbox', { name: 'Note' }), 'same address');
  await user.click(screen.getByRole('button', { name: 'It is Acme Limited' }));
  await waitFor(() => expect(asked.some((one) => one.call === call)).toBe(true));
  const sent = asked.find((one) => one.call === call);
  expect(sent?.body).toEqual({ choice: 'same', entity_id: id('acc', '1'), note: 'same address' });
  expect(sent?.request.headers.get('if-match')).toBe('"4"');
});

it('makes a new one where it is none of them', async () => {
  const asked = table(match);
  const { user } = await open('/matches');
  await screen.findByRole('radio', { name: /Acme Limited/ });
  await user.keyboard('0');
  await user.click(screen.getByRole('button', { name: 'Make a new account' }));
  await waitFor(() => expect(asked.find((one) => one.call === call)?.body).toEqual({ choice: 'different' }));
});

it('lets nobody choose one that is not here any more', async () => {
  table(match);
  const { user } = await open('/matches');
  const gone = await screen.findByRole('radio', { name: /Not here any more/ });
  expect(gone).toHaveProperty('disabled', true);
  await user.keyboard('2');
  expect(screen.getByRole('button', { name: 'Say whose it is' }).hasAttribute('disabled')).toBe(true);
});

it('says it where somebody was faster', async () => {
  table(() => problem(412, 'version-conflict', 'It was answered meanwhile.'));
  const { user } = await open('/matches');
  await screen.findByRole('radio', { name: /Acme Limited/ });
  await user.keyboard('1');
  await user.click(screen.getByRole('button', { name: 'It is Acme Limited' }));
  await screen.findByText(/It was answered meanwhile/);
});

it('says how one ended', async () => {
  const ended = {
    ...detail,
    state: 'same',
    answer: {
      entity_id: id('acc', '1'),
      entity_name: 'Acme Limited',
      method: 'merge',
      by: null,
      at: match.opened_at,
      note: null,
    },
  };
  table(match, ended);
  await open('/matches?state=same');
  const link = await screen.findByRole('link', { name: 'Acme Limited' });
  expect(link.getAttribute('href')).toBe(`/accounts/${id('acc', '1')}`);
  await screen.findByText(/Linked with/);
  expect(screen.queryByRole('button', { name: 'Say whose it is' })).toBeNull();
});
