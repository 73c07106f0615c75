import { useWords } from '#/lib/words';
import { Button } from './button';
import { Dialog } from './dialog';
import { ErrorState } from './states';

type ConfirmProps = {
  title: string;
  /** What will be different afterwards: a text, or a sentence for each of several things. */
  text: string | readonly string[];
  /** On the button that does it. */
  action: string;
  isOpen: boolean;
  isPending: boolean;
  error: unknown;
  onConfirm: () => void;
  onClose: () => void;
  /** It is not easily taken back, as most of what is asked for here. */
  danger?: boolean;
};

/** Asks before something is done that is not easily taken back, or that somebody else will notice. */
export function Confirm(props: ConfirmProps) {
  const { title, text, action, isOpen, isPending, error, onConfirm, onClose, danger = true } = props;
  const t = useWords();
  return (
    <Dialog title={title} isOpen={isOpen} onClose={onClose}>
      <div className="flex flex-col gap-4">
        {typeof text === 'string' ? (
          <p className="max-w-prose text-sm text-ink-2">{text}</p>
        ) : (
          <ul className="flex list-disc flex-col gap-1 pl-5 text-sm text-ink-2 marker:text-ink-3">
            {text.map((one) => (
              <li key={one}>{one}</li>
            ))}
          </ul>
        )}
        {error != null && <ErrorState compact error={error} />}
        <div className="flex flex-wrap justify-end gap-2">
          <Button autoFocus onPress={onClose}>
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
