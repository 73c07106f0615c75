import type { TenantQuotas } from '#/api/types';

export const QUOTAS = ['records', 'connections', 'storage', 'calls_per_day'] as const;
export type Quota = (typeof QUOTAS)[number];

export type Typed = Record<Quota, string>;

/** Files are asked for in MB: nobody thinks in bytes. */
const MB = 1_000_000;
/** As large as a number can be without losing its last digits. */
export const LARGEST = Number.MAX_SAFE_INTEGER;

/** The quotas as they stand in their fields; the empty text is no limit. */
export function typedOf(quotas: TenantQuotas): Typed {
  const text = (value: number | null | undefined) => (value == null ? '' : String(value));
  return {
    records: text(quotas.records),
    connections: text(quotas.connections),
    storage: quotas.storage == null ? '' : inMegabytes(quotas.storage),
    calls_per_day: text(quotas.calls_per_day),
  };
}

/** Digits, never `1e-7`: what is shown can be typed. */
function inMegabytes(bytes: number): string {
  const whole = Math.floor(bytes / MB);
  const rest = String(bytes % MB)
    .padStart(6, '0')
    .replace(/0+$/, '');
  return rest === '' ? String(whole) : `${whole}.${rest}`;
}

/** The quota that is typed: `null` is no limit, `undefined` is no quota at all. */
export function quotaOf(quota: Quota, text: string): number | null | undefined {
  const typed = text.trim();
  if (typed === '') return null;
  const pattern = quota === 'storage' ? /^(\d+)(?:[.,](\d{1,6}))?$/ : /^(\d+)$/;
  const match = pattern.exec(typed);
  if (!match) return undefined;
  const [, whole = '', rest = ''] = match;
  // Part by part: a float would lose the last bytes of much.
  const wanted = quota === 'storage' ? Number(whole) * MB + Number(rest.padEnd(6, '0')) : Number(whole);
  return wanted <= LARGEST ? wanted : undefined;
}

/** All that is typed, where all of it can be; what was not changed stays to the byte. */
export function quotasOf(before: TenantQuotas, edits: Partial<Typed>): TenantQuotas | null {
  const wish: TenantQuotas = { ...before };
  for (const quota of QUOTAS) {
    const text = edits[quota];
    if (text === undefined) continue;
    const value = quotaOf(quota, text);
    if (value === undefined) return null;
    wish[quota] = value;
  }
  return wish;
}
