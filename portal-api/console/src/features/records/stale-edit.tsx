import type { FieldProvenance } from '#/api/types';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Dialog } from '#/ui/dialog';
import { Value } from '#/ui/value';
import './words';

type StaleEditProps = {
  field: FieldProvenance;
  before: unknown;
  now: unknown;
  mine: unknown;
  isSaving: boolean;
  onKeepMine: () => void;
  onKeepTheirs: () => void;
};

/** The record moved on while it was being edited: what it was, what it is, what was typed. */
export function StaleEdit({ field, before, now, mine, isSaving, onKeepMine, onKeepTheirs }: StaleEditProps) {
  const t = useWords();
  const sides = [
    { label: t('stale.before'), value: before },
    { label: t('stale.now'), value: now },
    { label: t('stale.mine'), value: mine },
  ];
  return (
    <Dialog wide title={t('stale.title', { field: field.label })} isOpen onClose={onKeepTheirs}>
      <div className="flex flex-col gap-4">
        <p className="text-sm text-ink-2">{t('stale.text')}</p>
        <dl className="grid grid-cols-3 gap-px overflow-hidden rounded-control border border-line bg-line max-sm:grid-cols-1">
          {sides.map((side) => (
            <div key={side.label} className="bg-surface p-3">
              <dt className="text-xs text-ink-2">{side.label}</dt>
              <dd className="text-sm text-ink">
                <Value whole value={side.value} type={field.type} />
              </dd>
            </div>
          ))}
        </dl>
        <div className="flex justify-end gap-2">
          <Button onPress={onKeepTheirs}>{t('stale.keep_theirs')}</Button>
          <Button look="primary" onPress={onKeepMine} isPending={isSaving}>
            {t('stale.keep_mine')}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
