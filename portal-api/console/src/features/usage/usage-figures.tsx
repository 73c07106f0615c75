import type { TenantUsage, UsageOf } from '#/api/types';
import { formatBytes, formatNumber } from '#/lib/format';
import { useWords } from '#/lib/words';
import { ShareBar } from '#/ui/share-bar';
import { type Status, StatusPill } from '#/ui/status-pill';
import { Time } from '#/ui/time';
import { type Level, levelOf, MEASURES, type Measure, shareOf } from './level';

const STATUS: Record<Exclude<Level, 'fine'>, Status> = { tight: 'partial', full: 'failed' };

/** The amount as people read it: files by their size, everything else by its number. */
export function amount(measure: Measure, value: number): string {
  return measure === 'storage' ? formatBytes(value) : formatNumber(value);
}

/** What is used of each thing, with its quota where there is one. */
export function UsageFigures({ usage }: { usage: TenantUsage }) {
  const t = useWords();
  return (
    <div className="flex flex-col gap-4">
      <dl className="grid grid-cols-2 gap-x-8 gap-y-5 max-sm:grid-cols-1">
        {MEASURES.map((measure) => (
          <Figure key={measure} measure={measure} of={usage[measure]} />
        ))}
      </dl>
      <p className="text-xs text-ink-3">
        {usage.counted_at ? (
          <>
            {t('usage.counted')} <Time at={usage.counted_at} />
          </>
        ) : (
          t('usage.never_counted')
        )}
      </p>
    </div>
  );
}

function Figure({ measure, of }: { measure: Measure; of: UsageOf }) {
  const t = useWords();
  const share = shareOf(of);
  const level = levelOf(of);
  return (
    <div className="flex min-w-0 flex-col gap-1.5">
      <dt className="flex min-h-5 flex-wrap items-center justify-between gap-2 text-xs font-medium text-ink-2">
        {t(`usage_measure.${measure}`)}
        {level !== 'fine' && <StatusPill status={STATUS[level]}>{t(`usage_level.${level}`)}</StatusPill>}
      </dt>
      <dd className="flex flex-col gap-1.5">
        <span className="flex flex-wrap items-baseline gap-x-2">
          <span className="numeric text-xl font-semibold tracking-[-0.01em] text-ink">
            {amount(measure, of.used)}
          </span>
          <span className="numeric text-sm text-ink-2">
            {of.limit == null ? t('usage.no_limit') : t('usage.of', { limit: amount(measure, of.limit) })}
          </span>
        </span>
        {share !== null && <ShareBar wide label={t('usage.share', { share })} share={share} level={level} />}
        <span className="text-xs text-ink-3">{t(`usage_help.${measure}`)}</span>
      </dd>
    </div>
  );
}
