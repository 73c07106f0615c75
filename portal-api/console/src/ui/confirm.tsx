import { toProblem } from '#/api/problem';
import { useWords } from '#/lib/words';
import { Button } from './button';
import { Dialog } from './dialog';
import { ErrorState } from './states';

type ConfirmProps = {
  title: string;
  /** What will be different afterwards. */
  text: string;
  /** On the button that does it. */
  action: string;
  isOpen: boolean;
  isPending: boolean;
  error: Error | null;
  onConfirm: () => void;
  onClose: () => void;
};

/** Asks before something is done that is not easily taken back. */
export function Confirm({ title, text, action, isOpen, isPending, error, onConfirm, onClose }: ConfirmProps) {
  const t = useWords();
  return (
    <Dialog title={title} isOpen={isOpen} onClose={onClose}>
      <div className="flex flex-col gap-4">
        <p className="max-w-prose text-sm text-ink-2">{text}</p>
        {error && <ErrorState compact error={toProblem(error)} />}
        <div className="flex flex-wrap justify-end gap-2">
          <Button autoFocus onPress={onClose}>
            {t('ui.cancel')}
          </Button>
          <Button look="danger" onPress={onConfirm} isPending={isPending}>
            {action}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
