import { queryOptions, useQuery } from '@tanstack/react-query';
import { api, unwrap } from '#/api/client';
import { Problem } from '#/api/problem';
import type { SecondStage, Session } from '#/api/types';
import { signWithPasskey } from '#/lib/passkeys';

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

/** Whether whoever is signed in has a permission. The server decides; this keeps dead ends off the page. */
export function useMay(): (permission: string) => boolean {
  const permissions = useQuery(sessionQuery).data?.permissions;
  return (permission) => permissions?.includes(permission) ?? false;
}

/** A session, or what the second stage takes. */
export function signIn(body: { email: string; password: string }): Promise<Session | SecondStage> {
  return unwrap(api.POST('/api/v1/session', { body }));
}

/** Whether a second factor is owed. */
export function isSecondStage(answer: Session | SecondStage): answer is SecondStage {
  return 'methods' in answer;
}

export type CodeMethod = 'totp' | 'sms' | 'backup_code';

export function signInSecond(body: {
  method: CodeMethod;
  code: string;
  remember: boolean;
}): Promise<Session> {
  return unwrap(api.POST('/api/v1/session/second', { body }));
}

export async function sendSecondCode(): Promise<void> {
  await unwrap(api.POST('/api/v1/session/second/sms'));
}

export async function signInSecondPasskey(remember: boolean): Promise<Session> {
  const { question, options } = await unwrap(api.POST('/api/v1/session/second/passkey/question'));
  const answer = await signWithPasskey(options);
  return unwrap(api.POST('/api/v1/session/second/passkey', { body: { question, answer, remember } }));
}

/** Signs in with a passkey alone: it says whose it is. */
export async function signInPasskey(): Promise<Session> {
  const { question, options } = await unwrap(api.POST('/api/v1/session/passkey/question'));
  const answer = await signWithPasskey(options);
  const entered = await unwrap(
    api.POST('/api/v1/session/passkey', { body: { question, answer, remember: false } }),
  );
  return entered;
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
