import type { AccountRow } from '#/api/types';

export type Greeting = {
  word: 'greeting_own' | 'greeting_some' | 'greeting_none';
  values: Record<string, string | number>;
};

/** The first sentence: of one's own account by name, of assigned ones by their number. Nothing while that is not known. */
export function greetingOf(
  scope: string,
  count: number | undefined,
  accounts: readonly Pick<AccountRow, 'name'>[],
): Greeting | null {
  if (count === undefined) return null;
  const [first] = accounts;
  if (count === 0 || !first) return { word: 'greeting_none', values: {} };
  if (scope === 'own') return { word: 'greeting_own', values: { name: first.name } };
  return { word: 'greeting_some', values: { count } };
}
