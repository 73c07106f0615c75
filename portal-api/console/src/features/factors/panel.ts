import { useQueryClient } from '@tanstack/react-query';
import type { OwnFactors } from '#/api/types';
import { factorsQuery } from './queries';

/** What each part of the page is given. */
export type PanelProps = {
  owned: OwnFactors;
  /** Does something that may ask who one is first. */
  guard: <A, T>(act: (argument: A) => Promise<T>) => (argument: A) => Promise<T>;
  /** New backup codes, to be shown this once. */
  onCodes: (codes: string[]) => void;
};

/** Reads anew how one signs in, and who is signed in: whether a factor is owed may have changed. */
export function useRefresh(): () => Promise<unknown> {
  const client = useQueryClient();
  return () =>
    Promise.all([
      client.invalidateQueries({ queryKey: factorsQuery.queryKey }),
      client.invalidateQueries({ queryKey: ['session'] }),
    ]);
}
