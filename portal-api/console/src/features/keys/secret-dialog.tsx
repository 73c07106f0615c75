import { TriangleAlert } from 'lucide-react';
import type { NewSecret } from '#/api/types';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { CopyField } from '#/ui/copy-field';
import { Dialog } from '#/ui/dialog';
import { Time } from '#/ui/time';

/** A key's secret, shown this once. */
export function SecretDialog({ made, onClose }: { made: NewSecret | null; onClose: () => void }) {
  const t = useWords();
  return (
    <Dialog
      title={t('keys_page.secret_of', { name: made?.key.name ?? '' })}
      isOpen={made !== null}
      onClose={onClose}
    >
      {made && (
        <div className="flex flex-col gap-4">
          <p className="flex items-start gap-2 rounded-control bg-warn-soft px-3 py-2 text-sm text-warn-ink">
            <TriangleAlert aria-hidden size={16} className="mt-0.5 shrink-0" />
            {t('keys_page.secret_once')}
          </p>
          <CopyField label={t('keys_page.secret')} value={made.secret} />
          <CopyField label={t('keys_page.header')} value={`Authorization: Bearer ${made.secret}`} />
          {made.key.old_until && (
            <p className="text-sm text-ink-2">
              {t('keys_page.old_until')} <Time at={made.key.old_until} as="full" />
            </p>
          )}
          <Button look="primary" className="self-end" onPress={onClose}>
            {t('keys_page.kept')}
          </Button>
        </div>
      )}
    </Dialog>
  );
}
