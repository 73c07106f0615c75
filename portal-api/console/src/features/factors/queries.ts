import { queryOptions } from '@tanstack/react-query';
import { api, unwrap } from '#/api/client';
import type { NewTotp } from '#/api/types';
import { makePasskey, signWithPasskey } from '#/lib/passkeys';

export const factorsQuery = queryOptions({
  queryKey: ['factors'],
  queryFn: () => unwrap(api.GET('/api/v1/factors')),
});

export const passkeysQuery = queryOptions({
  queryKey: ['factors', 'passkeys'],
  queryFn: () => unwrap(api.GET('/api/v1/passkeys')),
});

export const devicesQuery = queryOptions({
  queryKey: ['factors', 'devices'],
  queryFn: () => unwrap(api.GET('/api/v1/devices')),
});

export const sessionsQuery = queryOptions({
  queryKey: ['factors', 'sessions'],
  queryFn: () => unwrap(api.GET('/api/v1/sessions')),
});

export function startTotp(): Promise<NewTotp> {
  return unwrap(api.POST('/api/v1/factors/totp'));
}

/** Backup codes, where there were none. */
export async function confirmTotp(code: string): Promise<string[]> {
  return (await unwrap(api.POST('/api/v1/factors/totp/confirm', { body: { code } }))).backup_codes;
}

export async function removeTotp(): Promise<void> {
  await unwrap(api.DELETE('/api/v1/factors/totp'));
}

export async function startSms(number: string): Promise<void> {
  await unwrap(api.POST('/api/v1/factors/sms', { body: { number } }));
}

export async function confirmSms(code: string): Promise<string[]> {
  return (await unwrap(api.POST('/api/v1/factors/sms/confirm', { body: { code } }))).backup_codes;
}

export async function removeSms(): Promise<void> {
  await unwrap(api.DELETE('/api/v1/factors/sms'));
}

export async function renewBackupCodes(): Promise<string[]> {
  return (await unwrap(api.POST('/api/v1/factors/backup-codes'))).backup_codes;
}

export async function addPasskey(name: string): Promise<string[]> {
  const { question, options } = await unwrap(api.POST('/api/v1/passkeys/question'));
  const answer = await makePasskey(options);
  return (await unwrap(api.POST('/api/v1/passkeys', { body: { name, question, answer } }))).backup_codes;
}

export async function renamePasskey({ id, name }: { id: string; name: string }): Promise<void> {
  await unwrap(api.PATCH('/api/v1/passkeys/{id}', { params: { path: { id } }, body: { name } }));
}

export async function removePasskey(id: string): Promise<void> {
  await unwrap(api.DELETE('/api/v1/passkeys/{id}', { params: { path: { id } } }));
}

export async function forgetDevice(id: string): Promise<void> {
  await unwrap(api.DELETE('/api/v1/devices/{id}', { params: { path: { id } } }));
}

export async function endSession(id: string): Promise<void> {
  await unwrap(api.DELETE('/api/v1/sessions/{id}', { params: { path: { id } } }));
}

export type Proof = { method: 'password' | 'totp' | 'sms' | 'backup_code'; secret: string };

export async function stepUp(body: Proof): Promise<void> {
  await unwrap(api.POST('/api/v1/session/step-up', { body }));
}

export async function sendStepUpCode(): Promise<void> {
  await unwrap(api.POST('/api/v1/session/step-up/sms'));
}

/** Begins to show who one is at one's identity provider, and says where the browser goes. */
export async function stepUpAtProvider(next: string): Promise<string> {
  return (await unwrap(api.POST('/api/v1/session/step-up/provider', { body: { next } }))).url;
}

export async function stepUpPasskey(): Promise<void> {
  const { question, options } = await unwrap(api.POST('/api/v1/session/step-up/passkey/question'));
  const answer = await signWithPasskey(options);
  await unwrap(api.POST('/api/v1/session/step-up/passkey', { body: { question, answer, remember: false } }));
}
