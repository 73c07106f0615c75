import { formatNumber } from '#/lib/format';
import { useWords } from '#/lib/words';
import { ShareBar } from '#/ui/share-bar';
import { StatusMark } from '#/ui/status-pill';

/** How much of the system's own limit is used; it turns to a warning before it is all gone. */
export function Usage({ used, limit }: { used: number; limit: number }) {
  const t = useWords();
  const share = limit > 0 ? used / limit : 0;
  const tight = share >= 0.8;
  return (
    <span className="flex items-center gap-2">
      {tight && <StatusMark status="partial" />}
      <ShareBar
        label={t('connections.usage_share', { share })}
        share={share}
        level={tight ? 'tight' : 'fine'}
      />
      {t('connections.usage_of', { used: formatNumber(used), limit: formatNumber(limit) })}
    </span>
  );
}
