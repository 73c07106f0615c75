import type { Session } from '#/api/types';

/** In the address, where everybody's accounts are asked for in place of one's own. */
export const EVERYBODY = 'all';

/** Whose accounts a list begins with: success managers with theirs, everybody else with all. */
export function defaultHolder(session: Pick<Session, 'scope' | 'user'> | null | undefined): 'me' | undefined {
  return session?.user.role === 'csm' && session.scope === 'all' ? 'me' : undefined;
}

/** What the server is asked for: what the address says, or whose accounts the list begins with. */
export function holderOf(said: string | undefined, begins: string | undefined): string | undefined {
  const holder = said ?? begins;
  return holder === EVERYBODY ? undefined : holder;
}
