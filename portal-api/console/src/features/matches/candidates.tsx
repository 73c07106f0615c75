import { Link } from '@tanstack/react-router';
import { Check, Equal, type LucideIcon, X } from 'lucide-react';
import { useState } from 'react';
import { Radio, RadioGroup } from 'react-aria-components/RadioGroup';
import type { MatchDetail } from '#/api/types';
import { pageOf } from '#/features/records/page-of';
import { isFilled } from '#/features/records/sides';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Dot } from '#/ui/dot';
import { Keys } from '#/ui/keys';
import { LINK } from '#/ui/link';
import { Value } from '#/ui/value';
import type { Whose } from './queries';
import './words';

type Candidate = MatchDetail['candidates'][number];
type Evidence = Candidate['evidence'][number];

type CandidatesProps = {
  match: MatchDetail;
  /** «account», «contact» */
  kind: string;
  whose: Whose | null;
  onChoose: (whose: Whose) => void;
  /** It is answered, or others answer. */
  isLocked: boolean;
};

const MARK: Record<Evidence['agreement'], { icon: LucideIcon; look: string }> = {
  same: { icon: Check, look: 'text-ok-ink' },
  close: { icon: Equal, look: 'text-warn-ink' },
  apart: { icon: X, look: 'text-bad-ink' },
};

/** Widths in pixels: of the fields' names, and what a column needs at least before the table scrolls. */
const LABEL = 88;
const COLUMN = 112;

const CELL = 'border-t border-line px-3 py-1.5 text-left align-baseline';
const RADIO =
  'group flex min-h-8 items-center gap-2 rounded-tag text-sm text-ink focus-visible:outline-2 focus-visible:outline-offset-2 focus-visible:outline-focus touch disabled:text-ink-3';

/** The record, and beside it each one that it may be, field by field. */
export function Candidates({ match, kind, whose, onChoose, isLocked }: CandidatesProps) {
  const t = useWords();
  const [all, setAll] = useState(false);
  const { candidates } = match;
  const evidenceOf = (candidate: Candidate, field: string) =>
    candidate.evidence.find((one) => one.field === field);
  const isCompared = (field: string) => candidates.some((candidate) => evidenceOf(candidate, field));
  // What was compared decides, what the record says may; the rest is what only the others have.
  const compared = match.fields.filter((field) => isCompared(field.name));
  const said = match.fields.filter((field) => !isCompared(field.name) && isFilled(field.there));
  const rest = match.fields.filter((field) => !isCompared(field.name) && !isFilled(field.there));
  const more = rest.filter((field) => Object.values(field.here).some(isFilled));
  const tint = (candidate: Candidate) => (candidate.entity_id === whose ? 'bg-accent-soft' : '');
  return (
    <RadioGroup
      aria-label={t('matches.which')}
      value={whose}
      onChange={onChoose}
      isReadOnly={isLocked}
      className="flex flex-col gap-3"
    >
      <div className="overflow-x-auto rounded-menu border border-line">
        <table
          className="w-full table-fixed text-sm"
          style={{ minWidth: LABEL + COLUMN * (candidates.length + 1) }}
        >
          <colgroup>
            <col style={{ width: LABEL }} />
          </colgroup>
          <thead>
            <tr>
              <td />
              <th scope="col" className="px-3 py-2 text-left align-middle font-medium text-ink">
                {match.connection_name}
              </th>
              {candidates.map((candidate, at) => (
                <th
                  key={candidate.entity_id}
                  scope="col"
                  className={`px-3 py-1 text-left align-middle font-medium ${tint(candidate)}`}
                >
                  <Radio value={candidate.entity_id} isDisabled={!isChoosable(candidate)} className={RADIO}>
                    <Dot />
                    <span className="min-w-0 flex-1 break-words">
                      {candidate.entity_name || t('matches.not_here')}
                    </span>
                    {!isLocked && at < 9 && <Hint keys={String(at + 1)} />}
                  </Radio>
                  {candidate.is_taken && (
                    <span className="block text-xs font-normal text-warn-ink">
                      {t('matches.taken', { name: match.connection_name })}
                    </span>
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {[...compared, ...said, ...(all ? more : [])].map((field) => (
              <tr key={field.name}>
                <th scope="row" className={`${CELL} text-xs font-normal text-ink-2`}>
                  {field.label}
                </th>
                <td className={`${CELL} text-ink`}>
                  <Value whole value={field.there} />
                </td>
                {candidates.map((candidate) => (
                  <td key={candidate.entity_id} className={`${CELL} text-ink ${tint(candidate)}`}>
                    <Value whole value={field.here[candidate.entity_id]} />
                    <Mark evidence={evidenceOf(candidate, field.name)} />
                  </td>
                ))}
              </tr>
            ))}
            <tr>
              <td className={CELL} />
              <td className={CELL}>
                {more.length > 0 && (
                  <Button size="small" look="quiet" onPress={() => setAll(!all)}>
                    {t(all ? 'matches.fewer' : 'matches.more', { count: more.length })}
                  </Button>
                )}
              </td>
              {candidates.map((candidate) => (
                <td key={candidate.entity_id} className={`${CELL} ${tint(candidate)}`}>
                  {isChoosable(candidate) && (
                    <Link
                      to={pageOf(match.entity)}
                      params={{ id: candidate.entity_id }}
                      aria-label={t('matches.open_named', { kind, name: candidate.entity_name })}
                      className={LINK}
                    >
                      {t('matches.open', { kind })}
                    </Link>
                  )}
                </td>
              ))}
            </tr>
          </tbody>
        </table>
      </div>
      <Radio value="different" className={`${RADIO} self-start`}>
        <Dot /> {t('matches.different', { kind })} {!isLocked && <Hint keys="0" />}
      </Radio>
    </RadioGroup>
  );
}

/** Whether it is still here. */
export function isChoosable(candidate: Candidate): boolean {
  return candidate.entity_name !== '';
}

/** The key that chooses it, where there is a keyboard. */
function Hint({ keys }: { keys: string }) {
  return (
    <span className="pointer-coarse:hidden">
      <Keys value={keys} />
    </span>
  );
}

/** How alike the two are, where they were compared. */
function Mark({ evidence }: { evidence: Evidence | undefined }) {
  const t = useWords();
  if (!evidence) return null;
  const { icon: Icon, look } = MARK[evidence.agreement];
  const label = t(`matches.${evidence.agreement}`);
  return (
    <span className={`flex items-center gap-1 text-xs ${look}`}>
      <Icon aria-hidden size={12} /> {label}
    </span>
  );
}
