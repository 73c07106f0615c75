import { ExternalLink } from 'lucide-react';
import type { Entity } from '#/api/types';
import { useWords } from '#/lib/words';
import { LINK } from '#/ui/link';
import { StatusMark } from '#/ui/status-pill';

/** Where else this record lives. */
export function Links({ links }: { links: Entity['links'] }) {
  const t = useWords();
  if (links.length === 0) return <span className="text-ink-2">{t('record.no_links')}</span>;
  return (
    <span className="flex flex-wrap gap-x-4 gap-y-1">
      {links.map((link) => (
        <span key={`${link.connection_id} ${link.stream} ${link.key}`} className="flex items-center gap-1.5">
          <StatusMark status={link.removed_at ? 'off' : 'succeeded'} size={12} />
          {link.connection_name}
          {link.url ? (
            <a
              href={link.url}
              target="_blank"
              rel="noreferrer"
              className={`inline-flex items-center gap-1 font-mono text-xs ${LINK}`}
            >
              {link.key} <ExternalLink role="img" aria-label={t('record.new_window')} size={10} />
            </a>
          ) : (
            <code className="font-mono text-xs text-ink-2">{link.key}</code>
          )}
          {link.removed_at && <span className="text-xs text-ink-2">{t('record.removed_there')}</span>}
        </span>
      ))}
    </span>
  );
}
