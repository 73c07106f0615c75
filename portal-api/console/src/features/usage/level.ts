import type { TenantUsage, UsageOf } from '#/api/types';

/** From here on it is worth a thought. */
const TIGHT = 0.8;

export const MEASURES = ['records', 'connections', 'storage', 'calls_today'] as const;
export type Measure = (typeof MEASURES)[number];

export type Level = 'fine' | 'tight' | 'full';

/** How much of a quota is used: 1 is all of it; `null` without a quota. Of a quota of nothing all is used. */
export function shareOf({ used, limit }: UsageOf): number | null {
  if (limit == null) return null;
  return limit === 0 ? 1 : used / limit;
}

export function levelOf(of: UsageOf): Level {
  const share = shareOf(of) ?? 0;
  if (share >= 1) return 'full';
  return share >= TIGHT ? 'tight' : 'fine';
}

/** What is nearest to its quota; `null` where there are no quotas. */
export function tightest(usage: TenantUsage): { measure: Measure; of: UsageOf; share: number } | null {
  const limited = MEASURES.flatMap((measure) => {
    const of = usage[measure];
    const share = shareOf(of);
    return share === null ? [] : [{ measure, of, share }];
  });
  return limited.reduce<(typeof limited)[number] | null>(
    (most, one) => (most === null || one.share > most.share ? one : most),
    null,
  );
}
