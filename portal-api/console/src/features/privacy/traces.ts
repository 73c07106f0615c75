/** Kinds of what is destroyed, in the order a person reads them; those of the server that are not in it come last. */
const ORDER = [
  'contacts',
  'records',
  'changes',
  'conflicts',
  'matches',
  'link_events',
  'writes',
  'journals',
  'previews',
  'fixtures',
  'withheld',
  'differences',
  'echoes',
  'mails',
  'exports',
];

export type Trace = { kind: string; count: number };

/** What there is to destroy, or was: kinds with nothing in them are left out. */
export function traces(destroyed: Readonly<Record<string, number>>): Trace[] {
  const place = (kind: string) => (ORDER.includes(kind) ? ORDER.indexOf(kind) : ORDER.length);
  return Object.entries(destroyed)
    .filter(([kind, count]) => count > 0 && kind !== MARKS)
    .map(([kind, count]) => ({ kind, count }))
    .sort((one, other) => place(one.kind) - place(other.kind) || one.kind.localeCompare(other.kind));
}

/** Not destroyed but made: hashes by which the person is kept out of later syncs. */
const MARKS = 'suppressions';

export function marks(destroyed: Readonly<Record<string, number>>): number {
  return destroyed[MARKS] ?? 0;
}

/** All rows together. */
export function sum(found: readonly Trace[]): number {
  return found.reduce((total, { count }) => total + count, 0);
}
