import type { Erasure } from '#/api/types';
import { formatUtc } from '#/lib/format';
import { type Words, wordFor } from '#/lib/words';
import { marks, traces } from './traces';

type About = { tenant: string; asked: string; decided: string };

/** What a person who asked to be forgotten is told, and an auditor: what was done, when, by whom; of whom it says nothing. */
export function certificate(t: Words, erasure: Erasure, { tenant, asked, decided }: About): string {
  const at = (instant: string | null | undefined) => (instant ? formatUtc(instant) : '—');
  const destroyed = erasure.destroyed ?? {};
  const rows = [
    [t('certificate.organization'), tenant],
    [t('certificate.request'), erasure.id],
    [t('erasures.kind'), wordFor(t, `erasure_kind.${erasure.kind}`, erasure.kind)],
    [t('erasures.asked'), `${at(erasure.asked_at)}, ${asked}`],
    [t('erasures.approved'), `${at(erasure.decided_at)}, ${decided}`],
    [t('erasures.held_until'), at(erasure.hold_until)],
    [t('erasures.done'), at(erasure.done_at)],
  ];
  const counts = traces(destroyed).map(({ kind, count }) => `${wordFor(t, `trace.${kind}`, kind)}: ${count}`);
  return [
    t('certificate.title'),
    '',
    ...rows.map(([name, value]) => `${name}: ${value}`),
    '',
    t('certificate.destroyed'),
    ...counts.map((line) => `  ${line}`),
    '',
    t('erasures.marks', { count: marks(destroyed) }),
    '',
  ].join('\n');
}
