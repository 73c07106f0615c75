import type { PasswordLink } from '#/api/types';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { CopyField } from '#/ui/copy-field';
import { Dialog } from '#/ui/dialog';
import { Time } from '#/ui/time';

type Props = { to: string; made: PasswordLink | null; onClose: () => void };

/** A link that was made: sent, or to be handed over where this hub sends no e-mail. */
export function LinkDialog({ to, made, onClose }: Props) {
  const t = useWords();
  const isFirst = made?.purpose === 'set_up';
  return (
    <Dialog title={t(isFirst ? 'users.invited' : 'users.link')} isOpen={made !== null} onClose={onClose}>
      {made && (
        <div className="flex flex-col gap-4">
          <p className="text-sm text-ink-2">
            {t(made.link ? 'users.link_hand_over' : 'users.link_sent', { email: to })}
          </p>
          {made.link && <CopyField label={t('users.link_label')} value={made.link} />}
          <p className="text-sm text-ink-2">
            {t('users.link_until')} <Time at={made.expires_at} as="full" />
          </p>
          <Button look="primary" className="self-end" onPress={onClose}>
            {t('ui.done')}
          </Button>
        </div>
      )}
    </Dialog>
  );
}
