import { X } from 'lucide-react';
import { Dialog as AriaDialog } from 'react-aria-components/Dialog';
import { Heading } from 'react-aria-components/Heading';
import { Modal, ModalOverlay } from 'react-aria-components/Modal';
import { useWords } from '#/lib/words';
import { IconButton } from './button';

type DialogProps = {
  title: string;
  isOpen: boolean;
  onClose: () => void;
  /** A sheet stands at the right edge, on phones at the bottom. */
  sheet?: boolean;
  wide?: boolean;
  children: React.ReactNode;
};

export function Dialog({ title, isOpen, onClose, sheet = false, wide = false, children }: DialogProps) {
  const t = useWords();
  const place = sheet
    ? 'items-stretch justify-end max-sm:items-end'
    : 'items-start justify-center pt-[12vh] max-sm:items-end max-sm:pt-8';
  const shape = sheet
    ? 'h-full w-105 max-w-full border-l max-sm:h-auto max-sm:max-h-[85dvh] max-sm:w-full max-sm:rounded-t-panel'
    : `max-h-[76vh] ${wide ? 'w-180' : 'w-120'} max-w-[calc(100vw-32px)] rounded-panel border max-sm:max-w-full max-sm:w-full max-sm:rounded-b-none`;
  return (
    <ModalOverlay
      isOpen={isOpen}
      onOpenChange={(open) => !open && onClose()}
      isDismissable
      className={`fixed inset-0 z-40 flex bg-shade ${place}`}
    >
      <Modal className={`flex flex-col overflow-hidden border-line bg-raised text-ink shadow-float ${shape}`}>
        <AriaDialog className="flex min-h-0 flex-col outline-none">
          <div className="flex items-center justify-between gap-4 border-b border-line px-4 py-2">
            <Heading slot="title" className="text-lg font-semibold tracking-[-0.01em]">
              {title}
            </Heading>
            <IconButton label={t('ui.close')} icon={X} onPress={onClose} />
          </div>
          <div className="min-h-0 overflow-auto p-4">{children}</div>
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}
