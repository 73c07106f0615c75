import { queryOptions, useQuery } from '@tanstack/react-query';
import { api, unwrap } from '#/api/client';
import { Problem } from '#/api/problem';
import type { SecondStage, Session, SignInOptions } from '#/api/types';
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

/** What no role gives: looking after all tenants. `permissions.md` calls it so too. */
export const PLATFORM = 'platform';

/** Whether whoever is signed in has a permission. The server decides; this keeps dead ends off the page. */
export function useMay(): (permission: string) => boolean {
  const session = useQuery(sessionQuery).data;
  return (permission) =>
    (permission === PLATFORM ? session?.is_operator : session?.permissions.includes(permission)) ?? false;
}

/** A session, or what the second stage takes. */
export function signIn(body: { email: string; password: string }): Promise<Session | SecondStage> {
  return unwrap(api.POST('/api/v1/session', { body }));
}

/** Signs out here, and says where the browser is signed out at its identity provider, if it came from one. */
export async function signOut(): Promise<string | null> {
  return (await unwrap(api.POST('/api/v1/session/sso-sign-out'))).url;
}

/** What the second stage takes, of somebody whom an identity provider has sent back; `null` when it is over. */
export const secondStageQuery = queryOptions({
  queryKey: ['session', 'second'],
  queryFn: async (): Promise<SecondStage | null> => {
    try {
      return await unwrap(api.GET('/api/v1/session/second'));
    } catch (error) {
      if (error instanceof Problem && error.slug === 'unauthenticated') return null;
      throw error;
    }
  },
  gcTime: 0,
  staleTime: Number.POSITIVE_INFINITY,
});

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

/** How people sign in here. An address of several tenants names none: there is the password then. */
export const signInOptionsQuery = (tenant: string | undefined) =>
  queryOptions({
    queryKey: ['sign-in-options', tenant],
    queryFn: async (): Promise<SignInOptions> => {
      try {
        return await unwrap(api.GET('/api/v1/sign-in-options', { headers: ofTenant(tenant) }));
      } catch (error) {
        if (error instanceof Problem && error.slug === 'not-found') return { password: true, providers: [] };
        throw error;
      }
    },
    staleTime: 60_000,
  });

/** Begins a sign-in through an identity provider, and says where the browser goes. */
export function startProvider(wish: {
  id: string;
  next?: string;
  tenant?: string;
}): Promise<{ url: string }> {
  const { id, next, tenant } = wish;
  return unwrap(
    api.POST('/api/v1/sso/{id}/start', {
      params: { path: { id } },
      headers: ofTenant(tenant),
      body: { next },
    }),
  );
}

function ofTenant(tenant: string | undefined): Record<string, string> {
  return tenant === undefined ? {} : { 'x-syncline-tenant': tenant };
}
