import { ChevronDown, ChevronUp } from 'lucide-react';
import type { AuditEntry } from '#/api/types';
import { useWords } from '#/lib/words';
import { IconButton } from '#/ui/button';
import { Dialog } from '#/ui/dialog';
import { Facts } from '#/ui/facts';
import { Id } from '#/ui/id';
import { Time } from '#/ui/time';
import { FieldDiffs } from './field-diff';
import { SubjectLink } from './subject-link';
import { useAuditWords } from './words';

type SheetProps = {
  entry: AuditEntry | null;
  onClose: () => void;
  /** The entry before or after it in the list; not given at its ends. */
  onNewer?: () => void;
  onOlder?: () => void;
};

/** One entry: who, what, from where, and what it changed. */
export function EntrySheet({ entry, onClose, onNewer, onOlder }: SheetProps) {
  const t = useWords();
  const words = useAuditWords();
  return (
    <Dialog sheet title={entry ? words.action(entry.action) : ''} isOpen={entry !== null} onClose={onClose}>
      {entry && (
        <div className="flex flex-col gap-4">
          <div className="flex items-center justify-between gap-2">
            <p className="numeric text-sm text-ink-2">
              {t('audit.number', { seq: entry.seq })} · <Time at={entry.at} as="full" />
            </p>
            <span className="flex">
              <IconButton
                label={t('audit.newer')}
                icon={ChevronUp}
                isDisabled={!onNewer}
                onPress={() => onNewer?.()}
              />
              <IconButton
                label={t('audit.older')}
                icon={ChevronDown}
                isDisabled={!onOlder}
                onPress={() => onOlder?.()}
              />
            </span>
          </div>
          <Facts
            facts={[
              { label: t('audit.who'), value: words.actor(entry.actor) },
              { label: t('audit.kind_of_actor'), value: t(`audit_actor.${actorKind(entry)}`) },
              {
                label: t('audit.what'),
                value: (
                  <span className="inline-flex items-center gap-1.5">
                    {words.kind(entry.subject_kind)} <SubjectLink id={entry.subject_id} />
                  </span>
                ),
              },
              { label: t('audit.address'), value: entry.address ?? '—' },
              entry.request !== null && { label: t('ui.request'), value: <Id value={entry.request} /> },
            ]}
          />
          <section aria-label={t('audit.changes')} className="flex flex-col gap-2">
            <h3 className="text-sm font-semibold text-ink">
              {t(entry.before == null && entry.after != null ? 'audit.noted' : 'audit.changes')}
            </h3>
            <FieldDiffs before={entry.before} after={entry.after} />
          </section>
          <div className="flex flex-col gap-0.5">
            <span className="text-xs text-ink-3">{t('audit.hash')}</span>
            <Id value={entry.hash} />
          </div>
        </div>
      )}
    </Dialog>
  );
}

function actorKind(entry: AuditEntry): 'user' | 'key' | 'system' {
  const { kind } = entry.actor;
  return kind === 'user' || kind === 'key' ? kind : 'system';
}
