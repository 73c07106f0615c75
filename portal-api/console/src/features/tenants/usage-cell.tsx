import { useQuery } from '@tanstack/react-query';
import { levelOf, tightest } from '#/features/usage/level';
import { amount } from '#/features/usage/usage-figures';
import { formatNumber } from '#/lib/format';
import { useWords } from '#/lib/words';
import { ShareBar } from '#/ui/share-bar';
import { tenantQuery } from './queries';

/** A tenant's records, or what is nearest to its quota. The list does not bring it along: rows in sight ask for it. */
export function UsageCell({ id }: { id: string }) {
  const t = useWords();
  const query = useQuery({ ...tenantQuery(id), staleTime: 60_000 });
  const usage = query.data?.usage;
  if (!usage) return <span className="text-ink-3">{query.error ? t('tenants.usage_unknown') : '…'}</span>;
  const near = tightest(usage);
  if (!near)
    return (
      <span className="numeric">{t('tenants.records', { count: formatNumber(usage.records.used) })}</span>
    );
  const { measure, of, share } = near;
  const text = t(`usage_short.${measure}`, {
    used: amount(measure, of.used),
    limit: amount(measure, of.limit ?? 0),
  });
  return (
    <span className="flex min-w-0 items-center gap-2" title={text}>
      <ShareBar label={t('usage.share', { share })} share={share} level={levelOf(of)} />
      <span className="numeric min-w-0 truncate">{text}</span>
    </span>
  );
}
