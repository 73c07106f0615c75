import { screen, waitFor, within } from '@testing-library/react';
import { expect, it } from 'vitest';
import { json, open, page, problem, SESSION, serve } from '#/test/render';

const ERS = `ers_${'a'.repeat(32)}`;
const CTC = `ctc_${'b'.repeat(32)}`;
const BEN = `usr_${'c'.repeat(32)}`;

const asked = {
  id: ERS,
  kind: 'erase',
  contact_id: CTC,
  reason: 'By letter.',
  state: 'asked',
  hold_hours: 24,
  asked_by: BEN,
  asked_at: '2026-11-20T08:00:00Z',
  decided_by: null as string | null,
  decided_at: null as string | null,
  note: null,
  hold_until: null as string | null,
  run_id: null,
  done_at: null,
  destroyed: null as Record<string, number> | null,
};
const contact = {
  id: CTC,
  version: 1,
  fields: { first_name: 'Ada', last_name: 'Quist', email: 'ada@example.com' },
  links: [],
};
const base = {
  'GET /api/v1/session': SESSION,
  [`GET /api/v1/contacts/${CTC}`]: contact,
  [`GET /api/v1/contacts/${CTC}/erasure`]: {
    destroyed: { contacts: 1, records: 2, echoes: 0, suppressions: 3 },
  },
  [`GET /api/v1/users/${BEN}`]: { id: BEN, name: 'Ben' },
  [`GET /api/v1/erasures/${ERS}`]: asked,
  'GET /api/v1/erasures': page([asked]),
};

it('shows what would be destroyed, and keeps what was typed when it is refused', async () => {
  const calls = serve({
    ...base,
    'POST /api/v1/erasures': problem(409, 'conflict', 'this was asked for already'),
  });
  const { user } = await open(`/erasures/new?contact=${CTC}`);
  expect(await screen.findByText('Ada Quist')).toBeTruthy();
  const records = (await screen.findByText('Records in other systems')).closest('div');
  expect(records?.textContent).toContain('2');
  expect(screen.queryByText('Own writes to be recognized')).toBeNull();
  expect(screen.getByText(/^3 marks stay/)).toBeTruthy();
  await user.type(screen.getByLabelText(/Reason/), 'By letter.');
  await user.click(screen.getByRole('button', { name: 'Ask for erasure' }));
  expect((await screen.findByRole('alert')).textContent).toContain('this was asked for already');
  expect((screen.getByLabelText(/Reason/) as HTMLTextAreaElement).value).toBe('By letter.');
  const sent = calls.find(({ call }) => call === 'POST /api/v1/erasures');
  expect(sent?.body).toEqual({ kind: 'erase', contact_id: CTC, reason: 'By letter.', hold_hours: 24 });
});

it('does not send a hold that is too long, and asks for nobody without a person', async () => {
  const calls = serve(base);
  const { user } = await open('/erasures/new');
  expect(
    ((await screen.findByRole('button', { name: 'Ask for erasure' })) as HTMLButtonElement).disabled,
  ).toBe(true);
  expect(screen.getByText('No person chosen')).toBeTruthy();
  const hold = screen.getByLabelText(/Hold/);
  await user.clear(hold);
  await user.type(hold, '721');
  expect(await screen.findByText('Between 0 and 720')).toBeTruthy();
  expect(calls.some(({ call }) => call.startsWith('POST'))).toBe(false);
});

it('lets another approve with a note, after saying what that does', async () => {
  const approved = { ...asked, state: 'approved', decided_by: 'usr_1', hold_until: '2026-11-21T08:00:00Z' };
  const calls = serve({ ...base, [`POST /api/v1/erasures/${ERS}/approve`]: approved });
  const { user } = await open(`/erasures/${ERS}`);
  await user.click(await screen.findByRole('button', { name: 'Approve' }));
  const dialog = await screen.findByRole('dialog', { name: 'Approve the erasure' });
  expect(dialog.textContent).toContain('It is carried out in 24 hours');
  await user.type(within(dialog).getByLabelText(/Note/), 'Checked.');
  await user.click(within(dialog).getByRole('button', { name: 'Approve' }));
  expect(await screen.findByText(/Until its hold is over it can be withdrawn/)).toBeTruthy();
  const sent = calls.find(({ call }) => call.endsWith('/approve'));
  expect(sent?.body).toEqual({ note: 'Checked.' });
});

it('offers whoever asked to withdraw, not to approve', async () => {
  serve({ ...base, [`GET /api/v1/erasures/${ERS}`]: { ...asked, asked_by: SESSION.user.id } });
  await open(`/erasures/${ERS}`);
  expect(await screen.findByRole('button', { name: 'Withdraw' })).toBeTruthy();
  expect(screen.queryByRole('button', { name: 'Approve' })).toBeNull();
  expect(screen.getByText(/somebody else has to approve it/)).toBeTruthy();
});

it('asks for nobody who is erased, and shows what was destroyed', async () => {
  const done = { ...asked, state: 'done', decided_by: BEN, destroyed: { contacts: 1, suppressions: 2 } };
  const calls = serve({
    ...base,
    [`GET /api/v1/erasures/${ERS}`]: done,
    'GET /api/v1/erasures': page([done]),
  });
  await open(`/erasures/${ERS}`);
  expect(await screen.findByText('A forgotten person')).toBeTruthy();
  expect(screen.getByRole('button', { name: 'Save certificate' })).toBeTruthy();
  expect(calls.some(({ call }) => call.includes(CTC))).toBe(false);
});

it('hands out what was gathered, and nothing of what is still being gathered', async () => {
  const ready = {
    id: `sxp_${'d'.repeat(32)}`,
    contact_id: CTC,
    reason: 'By e-mail.',
    asked_by: BEN,
    asked_at: asked.asked_at,
    run_id: null,
    done_at: asked.asked_at,
    expires_at: '2026-12-20T08:00:00Z',
  };
  const other = { ...ready, id: `sxp_${'e'.repeat(32)}`, done_at: null };
  serve({ ...base, 'GET /api/v1/subject-exports': page([other, ready]) });
  await open('/subject-exports');
  expect(await screen.findByText('Being gathered')).toBeTruthy();
  expect(screen.getAllByRole('button', { name: 'JSON' })).toHaveLength(1);
});

it('saves how long things are kept with the tag that was read, and shows a refusal at its field', async () => {
  const tagged = (days: object) => {
    const answer = json({ days });
    answer.headers.set('etag', '"r1"');
    return answer;
  };
  let refuses = true;
  const calls = serve({
    ...base,
    'GET /api/v1/retention': () => tagged({ history: 365 }),
    'PUT /api/v1/retention': () =>
      refuses
        ? problem(422, 'invalid-field', 'invalid', {
            errors: [{ pointer: '/days/mails', message: 'mails is kept for 1 to 36500 days' }],
          })
        : tagged({ mails: 30 }),
  });
  const { user } = await open('/retention');
  await user.clear(await screen.findByLabelText('History of fields'));
  await user.type(screen.getByLabelText('Sent e-mails'), '30');
  expect(screen.getByText(/Kept shorter than before: Sent e-mails/)).toBeTruthy();
  await user.click(screen.getByRole('button', { name: 'Save rules' }));
  expect(await screen.findByText('mails is kept for 1 to 36500 days')).toBeTruthy();
  expect((screen.getByLabelText('Sent e-mails') as HTMLInputElement).value).toBe('30');
  refuses = false;
  await user.click(screen.getByRole('button', { name: 'Save rules' }));
  await waitFor(() => expect(calls.filter(({ call }) => call === 'PUT /api/v1/retention')).toHaveLength(2));
  const sent = calls.findLast(({ call }) => call === 'PUT /api/v1/retention');
  expect(sent?.request.headers.get('if-match')).toBe('"r1"');
  expect(sent?.body).toEqual({ days: { mails: 30 } });
});

it('shows which fields are about a person', async () => {
  const field = (name: string, personal: string) => ({
    name,
    label: name,
    personal,
    custom: false,
    choices: [],
  });
  serve({ ...base, 'GET /api/v1/fields/contact': [field('email', 'identifying'), field('title', 'no')] });
  await open('/personal-data?class=identifying');
  expect((await screen.findAllByText('email')).length).toBeGreaterThan(0);
  expect(screen.queryByText('title')).toBeNull();
  expect(screen.getByText('1 field')).toBeTruthy();
});
