import { queryOptions } from '@tanstack/react-query';
import { api, unwrap } from '#/api/client';
import { Problem } from '#/api/problem';
import type { Session } from '#/api/types';

/** Who is signed in; `null` when nobody is. */
export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async (): Promise<Session | null> => {
    try {
      return await unwrap(api.GET('/api/v1/session'));
    } catch (error) {
      if (error instanceof Problem && error.slug === 'unauthenticated') return null;
      throw error;
    }
  },
  staleTime: 60_000,
});

export function signIn(body: { email: string; password: string }): Promise<Session> {
  return unwrap(api.POST('/api/v1/session', { body }));
}

export async function signOut(): Promise<void> {
  await unwrap(api.DELETE('/api/v1/session'));
}

export async function changePassword(body: { current: string; new: string }): Promise<void> {
  await unwrap(api.POST('/api/v1/session/password', { body }));
}

/** Sets a password with the token of a link; the link is used up. */
export async function redeemLink(body: { token: string; password: string }): Promise<void> {
  await unwrap(api.POST('/api/v1/session/link', { body }));
}

/** Asks for a link by e-mail. The answer does not say whether somebody signs in with this address. */
export async function requestReset(body: { email: string }): Promise<void> {
  await unwrap(api.POST('/api/v1/session/reset', { body }));
}
