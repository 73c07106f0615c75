import { queryOptions } from '@tanstack/react-query';
import { api, unwrap } from '#/api/client';
import type { Key, NewSecret } from '#/api/types';

/** All of them, ended ones too: the server gives them at once. */
export const keysQuery = queryOptions({
  queryKey: ['keys', 'list'],
  queryFn: () => unwrap(api.GET('/api/v1/keys')),
});

export function keyQuery(id: string) {
  return queryOptions({
    queryKey: ['keys', 'one', id],
    queryFn: () => unwrap(api.GET('/api/v1/keys/{id}', { params: { path: { id } } })),
  });
}

export function keyUsageQuery(id: string) {
  return queryOptions({
    queryKey: ['keys', 'usage', id],
    queryFn: async () =>
      (await unwrap(api.GET('/api/v1/keys/{id}/usage', { params: { path: { id } } }))).items,
  });
}

export type NewKey = {
  name: string;
  permissions: string[];
  expires_at: string | null;
  calls_per_minute: number | null;
};

export function createKey(body: NewKey): Promise<NewSecret> {
  return unwrap(api.POST('/api/v1/keys', { body }));
}

export type Rotation = { id: string; overlap_minutes: number };

export function rotateKey({ id, ...body }: Rotation): Promise<NewSecret> {
  return unwrap(api.POST('/api/v1/keys/{id}/rotate', { params: { path: { id } }, body }));
}

export async function revokeKey(id: string): Promise<void> {
  await unwrap(api.DELETE('/api/v1/keys/{id}', { params: { path: { id } } }));
}

export const KEY_STATES = ['working', 'expiring', 'rotating', 'expired', 'revoked'] as const;
export type KeyState = (typeof KEY_STATES)[number];

/** So long before its end a key is said to expire soon. */
const SOON = 14 * 86_400_000;

export function keyState(key: Key, now = Date.now()): KeyState {
  const left = key.expires_at === null ? null : new Date(key.expires_at).getTime() - now;
  if (key.revoked_at !== null) return 'revoked';
  if (left !== null && left <= 0) return 'expired';
  if (key.old_until !== null && new Date(key.old_until).getTime() > now) return 'rotating';
  return left !== null && left < SOON ? 'expiring' : 'working';
}

/** Whether programs can still call with it. */
export function isOver(state: KeyState): boolean {
  return state === 'expired' || state === 'revoked';
}
