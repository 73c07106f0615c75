import { queryOptions } from '@tanstack/react-query';
import { api, ifMatch, tagged, unwrap } from '#/api/client';
import type { IdentityProvider, IdentityProviderBody, SignInPolicy } from '#/api/types';

/** All of them: the server gives them at once. */
export const providersQuery = queryOptions({
  queryKey: ['providers', 'list'],
  queryFn: () => unwrap(api.GET('/api/v1/identity-providers')),
});

export function providerQuery(id: string) {
  return queryOptions({
    queryKey: ['providers', 'one', id],
    queryFn: () => unwrap(api.GET('/api/v1/identity-providers/{id}', { params: { path: { id } } })),
    // Somebody who comes back from a test sees what came of it, not what was there before.
    refetchOnMount: 'always',
  });
}

export function createProvider(body: IdentityProviderBody): Promise<IdentityProvider> {
  return unwrap(api.POST('/api/v1/identity-providers', { body }));
}

function versioned(provider: IdentityProvider) {
  return { path: { id: provider.id }, header: { 'If-Match': ifMatch(provider.version) } };
}

export function editProvider(
  provider: IdentityProvider,
  body: IdentityProviderBody,
): Promise<IdentityProvider> {
  return unwrap(api.PUT('/api/v1/identity-providers/{id}', { params: versioned(provider), body }));
}

export function enableProvider(provider: IdentityProvider): Promise<IdentityProvider> {
  return unwrap(api.POST('/api/v1/identity-providers/{id}/enable', { params: versioned(provider) }));
}

export function disableProvider(provider: IdentityProvider): Promise<IdentityProvider> {
  return unwrap(api.POST('/api/v1/identity-providers/{id}/disable', { params: versioned(provider) }));
}

export async function deleteProvider(provider: IdentityProvider): Promise<void> {
  await unwrap(api.DELETE('/api/v1/identity-providers/{id}', { params: versioned(provider) }));
}

/** Begins a test sign-in, and says where the browser goes. */
export async function beginTest(id: string): Promise<string> {
  return (await unwrap(api.POST('/api/v1/identity-providers/{id}/test', { params: { path: { id } } }))).url;
}

export type TaggedPolicy = SignInPolicy & { etag: string };

export const signInPolicyQuery = queryOptions({
  queryKey: ['providers', 'policy'],
  queryFn: (): Promise<TaggedPolicy> => tagged(api.GET('/api/v1/sign-in-policy')),
});

export function saveSignInPolicy({ etag, ...body }: TaggedPolicy): Promise<TaggedPolicy> {
  return tagged(api.PUT('/api/v1/sign-in-policy', { params: { header: { 'If-Match': etag } }, body }));
}
