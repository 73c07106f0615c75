/** Kinds of what is kept beside the records. */
export const KEPT = [
  'history',
  'previews',
  'withheld',
  'conflicts',
  'matches',
  'links',
  'writes',
  'mails',
] as const;
export type Kept = (typeof KEPT)[number];

/** Longest time that can be said, in days. */
export const LONGEST = 36_500;

export type Typed = Record<Kept, string>;

/** The days as they are typed: an empty field is for ever. */
export function typedOf(days: Readonly<Record<string, number>>): Typed {
  return Object.fromEntries(KEPT.map((kind) => [kind, days[kind]?.toString() ?? ''])) as Typed;
}

/** What is sent. What the server keeps and this page does not know stays as it was. */
export function daysOf(before: Readonly<Record<string, number>>, typed: Typed): Record<string, number> {
  const other = Object.entries(before).filter(([kind]) => !KEPT.some((known) => known === kind));
  const said = KEPT.filter((kind) => typed[kind] !== '').map((kind) => [kind, Number(typed[kind])]);
  return Object.fromEntries([...other, ...said]);
}

/** Whether a text can be so many days. */
export function isDays(text: string): boolean {
  return text === '' || (/^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= LONGEST);
}

/** What would be kept shorter than it was: that takes something away. */
export function shorter(before: Typed, now: Typed): Kept[] {
  const days = (text: string) => (text === '' ? Number.POSITIVE_INFINITY : Number(text));
  return KEPT.filter((kind) => days(now[kind]) < days(before[kind]));
}
