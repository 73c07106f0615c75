import { useWords } from '#/lib/words';
import { Button } from './button';
import { Dialog } from './dialog';
import { ErrorState } from './states';

type ConfirmProps = {
  title: string;
  isOpen: boolean;
  onClose: () => void;
  /** What will happen, a sentence each. */
  effects: readonly string[];
  /** On the button: it names the deed. */
  action: string;
  onConfirm: () => void;
  isPending: boolean;
  error: unknown;
  /** What is done cannot be had back just so. */
  danger?: boolean;
};

/** Asks before something that somebody else will notice, and says what it does. */
export function Confirm(props: ConfirmProps) {
  const { title, isOpen, onClose, effects, action, onConfirm, isPending, error, danger = false } = props;
  const t = useWords();
  return (
    <Dialog title={title} isOpen={isOpen} onClose={onClose}>
      <div className="flex flex-col gap-4">
        <ul className="flex list-disc flex-col gap-1 pl-5 text-sm text-ink-2 marker:text-ink-3">
          {effects.map((effect) => (
            <li key={effect}>{effect}</li>
          ))}
        </ul>
        {error != null && <ErrorState compact error={error} />}
        <div className="flex flex-wrap justify-end gap-2">
          <Button look="quiet" onPress={onClose}>
            {t('ui.cancel')}
          </Button>
          <Button look={danger ? 'danger' : 'primary'} onPress={onConfirm} isPending={isPending}>
            {action}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
