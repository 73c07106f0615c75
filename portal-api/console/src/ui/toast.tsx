import { CircleAlert, CircleCheck, X } from 'lucide-react';
import { Button } from 'react-aria-components/Button';
import { Text } from 'react-aria-components/Text';
import {
  UNSTABLE_Toast as AriaToast,
  UNSTABLE_ToastContent as ToastContent,
  UNSTABLE_ToastQueue as ToastQueue,
  UNSTABLE_ToastRegion as ToastRegion,
} from 'react-aria-components/Toast';
import { useWords } from '#/lib/words';

type Note = { text: string; bad?: boolean; action?: { label: string; run: () => void } };

const queue = new ToastQueue<Note>({ maxVisibleToasts: 3 });

/** A short word after something was done. What needs an answer stands where the work is, not here. */
export function toast(note: Note) {
  queue.add(note, { timeout: 6_000 });
}

export function Toasts() {
  const t = useWords();
  return (
    <ToastRegion
      queue={queue}
      aria-label={t('ui.notices')}
      className="fixed right-4 bottom-4 z-50 flex flex-col-reverse gap-2 outline-none max-sm:inset-x-4 max-sm:bottom-20"
    >
      {({ toast: shown }) => {
        const { text, bad, action } = shown.content;
        const Icon = bad ? CircleAlert : CircleCheck;
        return (
          <AriaToast
            toast={shown}
            className="flex min-w-72 items-center gap-3 rounded-menu border border-line bg-raised py-2 pr-2 pl-3 text-sm text-ink shadow-float"
          >
            <Icon aria-hidden size={16} className={`shrink-0 ${bad ? 'text-bad' : 'text-ok'}`} />
            <ToastContent className="min-w-0 flex-1">
              <Text slot="title">{text}</Text>
            </ToastContent>
            {action && (
              <Button
                className="rounded-control px-2 py-1 font-medium text-accent-ink hover:bg-hover"
                onPress={() => {
                  action.run();
                  queue.close(shown.key);
                }}
              >
                {action.label}
              </Button>
            )}
            <Button
              slot="close"
              aria-label={t('ui.close')}
              className="flex size-7 items-center justify-center rounded-control text-ink-3 hover:bg-hover hover:text-ink"
            >
              <X aria-hidden size={14} />
            </Button>
          </AriaToast>
        );
      }}
    </ToastRegion>
  );
}
