import { formatNumber } from '#/lib/format';
import { useWords } from '#/lib/words';
import { StatusMark } from '#/ui/status-pill';

/** How much of the system's own limit is used; it turns to a warning before it is all gone. */
export function Usage({ used, limit }: { used: number; limit: number }) {
  const t = useWords();
  const share = limit > 0 ? used / limit : 0;
  const tight = share >= 0.8;
  return (
    <span className="flex items-center gap-2">
      {tight && <StatusMark status="partial" />}
      <span
        role="img"
        aria-label={t('connections.usage_share', { share })}
        className="block h-1.5 w-20 overflow-hidden rounded-full bg-hover"
      >
        <span
          className={`block h-full ${tight ? 'bg-warn' : 'bg-run'}`}
          style={{ width: `${Math.min(100, share * 100)}%` }}
        />
      </span>
      {t('connections.usage_of', { used: formatNumber(used), limit: formatNumber(limit) })}
    </span>
  );
}
