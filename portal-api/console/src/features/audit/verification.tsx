import { CircleAlert, CircleCheck, X } from 'lucide-react';
import type { AuditVerification } from '#/api/types';
import { useWords } from '#/lib/words';
import { IconButton } from '#/ui/button';
import { Id } from '#/ui/id';

const KINDS = ['missing', 'changed', 'unlinked', 'rewritten'] as const;

/** Whether the trail is whole, and the end of its chain to keep elsewhere. */
export function Verification({ answer, onClose }: { answer: AuditVerification; onClose: () => void }) {
  const t = useWords();
  const { whole, entries, pruned_until: pruned, head, broken } = answer;
  const kind = KINDS.find((one) => one === broken?.kind) ?? 'changed';
  const Mark = whole ? CircleCheck : CircleAlert;
  return (
    <div
      role={whole ? 'status' : 'alert'}
      className={`flex items-start gap-3 rounded-control px-3 py-2 text-sm ${whole ? 'bg-ok-soft text-ok-ink' : 'bg-bad-soft text-bad-ink'}`}
    >
      <Mark aria-hidden size={16} className={`mt-0.5 shrink-0 ${whole ? 'text-ok' : 'text-bad'}`} />
      <div className="flex min-w-0 flex-1 flex-col">
        <p className="font-medium">
          {whole
            ? t('audit.whole', { count: entries ?? 0 })
            : t(`audit_broken.${kind}`, { seq: broken?.seq ?? 0 })}
        </p>
        {whole && pruned !== null && pruned > 0 && <p>{t('audit.pruned', { seq: pruned })}</p>}
        {!whole && <p>{t('audit.broken_text')}</p>}
        {head && (
          <p className="flex flex-wrap items-center gap-x-1.5">
            {t('audit.head', { seq: head.seq })} <Id value={`${head.seq}:${head.hash}`} />
          </p>
        )}
      </div>
      <IconButton size="small" label={t('ui.close')} icon={X} onPress={onClose} />
    </div>
  );
}
