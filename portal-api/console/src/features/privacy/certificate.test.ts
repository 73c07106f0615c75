import { expect, it } from 'vitest';
import type { Erasure } from '#/api/types';
import '#/features/privacy/words';
import { words } from '#/lib/words';
import { certificate } from './certificate';

const done: Erasure = {
  id: `ers_${'1'.repeat(32)}`,
  kind: 'erase',
  contact_id: `ctc_${'2'.repeat(32)}`,
  user_id: null,
  reason: 'asked by letter',
  state: 'done',
  hold_hours: 24,
  asked_by: 'usr_1',
  asked_at: '2026-11-20T08:00:00Z',
  decided_by: 'usr_2',
  decided_at: '2026-11-20T09:00:00Z',
  note: 'seen the passport',
  hold_until: '2026-11-21T09:00:00Z',
  run_id: 'run_1',
  done_at: '2026-11-21T09:00:05Z',
  destroyed: { contacts: 1, records: 2, echoes: 0, suppressions: 3 },
};

it('says what was destroyed, when and by whom, and nothing of whom it was', () => {
  const text = certificate(words, done, { tenant: 'Acme', asked: 'Ada', decided: 'Ben' });
  const lines = text.split('\n');
  expect(lines).toContain('Organization: Acme');
  expect(lines).toContain('Approved: 2026-11-20 09:00:00 UTC, Ben');
  expect(lines).toContain('Carried out: 2026-11-21 09:00:05 UTC');
  expect(lines).toContain('  Records in other systems: 2');
  expect(text).toContain('3 marks');
  for (const hidden of ['letter', 'passport', done.contact_id, 'echoes']) expect(text).not.toContain(hidden);
});
