import { useState } from 'react';
import { useWords, type Words } from '#/lib/words';
import { Button } from '#/ui/button';
import { diff, type FieldDiff, listDiff } from './diff';
import { SubjectLink } from './subject-link';

const TONE = {
  added: { mark: '+', word: 'diff.added', look: 'bg-ok-soft text-ok-ink' },
  removed: { mark: '−', word: 'diff.removed', look: 'bg-bad-soft text-bad-ink' },
  changed: { mark: '~', word: 'diff.changed', look: 'bg-warn-soft text-warn-ink' },
  same: { mark: '=', word: 'diff.same', look: 'bg-idle-soft text-idle-ink' },
} as const;

/** Before and after, value by value. Where an entry has no before, its values are what was asked for. */
export function FieldDiffs({ before, after }: { before: unknown; after: unknown }) {
  const t = useWords();
  const [all, setAll] = useState(false);
  const rows = diff(before, after);
  const same = rows.filter((row) => row.kind === 'same');
  const shown = all ? rows : rows.filter((row) => row.kind !== 'same');
  if (rows.length === 0) return <p className="text-sm text-ink-2">{t('diff.none')}</p>;
  return (
    <div className="flex flex-col gap-2">
      <ul className="flex flex-col divide-y divide-line rounded-control border border-line">
        {shown.map((row) => (
          <Row key={row.path} row={row} hasBefore={before != null} />
        ))}
      </ul>
      {same.length > 0 && (
        <Button size="small" look="quiet" className="self-start" onPress={() => setAll(!all)}>
          {t(all ? 'diff.hide_same' : 'diff.show_same', { count: same.length })}
        </Button>
      )}
    </div>
  );
}

function Row({ row, hasBefore }: { row: FieldDiff; hasBefore: boolean }) {
  const t = useWords();
  const tone = TONE[row.kind];
  const lists = row.kind === 'changed' ? listDiff(row.before, row.after) : null;
  return (
    <li className="flex min-w-0 flex-col gap-1 px-3 py-2">
      <div className="flex items-center gap-2">
        {hasBefore && (
          <span
            className={`flex size-4 shrink-0 items-center justify-center rounded-tag text-xs font-semibold ${tone.look}`}
          >
            <span aria-hidden>{tone.mark}</span>
            <span className="sr-only">{t(tone.word)}</span>
          </span>
        )}
        <code className="min-w-0 font-mono text-xs break-all text-ink-2">{row.path || t('diff.value')}</code>
      </div>
      {lists ? (
        <>
          {lists.went.map((one) => (
            <Value key={`-${one}`} value={one} gone />
          ))}
          {lists.came.map((one) => (
            <Value key={`+${one}`} value={one} />
          ))}
          {lists.went.length + lists.came.length === 0 && <Value value={row.after} />}
        </>
      ) : (
        <>
          {(row.kind === 'changed' || row.kind === 'removed') && <Value value={row.before} gone />}
          {row.kind !== 'removed' && <Value value={row.after} />}
        </>
      )}
    </li>
  );
}

/** A value as it was noted; what is gone is struck through and said to be. */
function Value({ value, gone = false }: { value: unknown; gone?: boolean }) {
  const t = useWords();
  if (!gone && Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string'))
    return (
      <ul className="text-sm break-words text-ink">
        {value.map((one) => (
          <li key={one}>{isId(one) ? <SubjectLink id={one} /> : one}</li>
        ))}
      </ul>
    );
  const text = inWords(value, t);
  if (!gone)
    return (
      <p className="text-sm break-words whitespace-pre-wrap text-ink">
        {isId(text) ? <SubjectLink id={text} /> : text}
      </p>
    );
  return (
    <p className="text-sm break-words whitespace-pre-wrap text-ink-2">
      <span className="sr-only">{t('diff.was')} </span>
      <del className="decoration-bad">{text}</del>
    </p>
  );
}

function isId(text: string): boolean {
  return /^[a-z]{3}_[0-9a-f]{32}$/.test(text);
}

function inWords(value: unknown, t: Words): string {
  if (value === null || value === undefined || (Array.isArray(value) && value.length === 0))
    return t('value.none');
  if (typeof value === 'boolean') return t(value ? 'value.yes' : 'value.no');
  if (typeof value !== 'string') return JSON.stringify(value);
  return value === '' ? t('value.empty') : value;
}
