import { CornerDownLeft, Search } from 'lucide-react';
import { Autocomplete } from 'react-aria-components/Autocomplete';
import { Dialog } from 'react-aria-components/Dialog';
import { Input } from 'react-aria-components/Input';
import { Menu, MenuItem } from 'react-aria-components/Menu';
import { Modal, ModalOverlay } from 'react-aria-components/Modal';
import { SearchField } from 'react-aria-components/SearchField';
import { useWords } from '#/lib/words';
import { Keys } from './keys';

export type Command = { id: string; label: string; hint?: string; keys?: string; run: () => void };

type PaletteProps = {
  isOpen: boolean;
  onClose: () => void;
  typed: string;
  onType: (typed: string) => void;
  commands: readonly Command[];
};

/** Everything that can be gone to or done, by typing. The list is already the one that fits what was typed. */
export function CommandPalette({ isOpen, onClose, typed, onType, commands }: PaletteProps) {
  const t = useWords();
  return (
    <ModalOverlay
      isOpen={isOpen}
      onOpenChange={(open) => !open && onClose()}
      isDismissable
      className="fixed inset-0 z-40 flex items-start justify-center bg-shade pt-[14vh] max-sm:pt-4"
    >
      <Modal className="w-150 max-w-[calc(100vw-32px)] overflow-hidden rounded-panel border border-line bg-raised text-ink shadow-float">
        <Dialog aria-label={t('palette.title')} className="flex max-h-[60vh] flex-col outline-none">
          <Autocomplete inputValue={typed} onInputChange={onType}>
            <SearchField aria-label={t('palette.label')} autoFocus className="relative border-b border-line">
              <Search aria-hidden size={16} className="absolute top-1/2 left-4 -translate-y-1/2 text-ink-3" />
              <Input
                placeholder={t('palette.label')}
                className="h-12 w-full bg-transparent pr-4 pl-10 text-base text-ink outline-none placeholder:text-ink-3 pointer-coarse:text-lg [&::-webkit-search-cancel-button]:hidden"
              />
            </SearchField>
            <Menu
              aria-label={t('palette.results')}
              items={commands}
              className="min-h-0 flex-1 overflow-auto p-1 outline-none"
              renderEmptyState={() => <p className="p-4 text-sm text-ink-2">{t('palette.nothing')}</p>}
            >
              {(command) => (
                <MenuItem
                  id={command.id}
                  textValue={command.label}
                  onAction={() => {
                    onClose();
                    command.run();
                  }}
                  className="group flex h-9 items-center gap-3 rounded-control px-3 text-sm text-ink outline-none focus:bg-accent-soft focus:text-accent-ink touch"
                >
                  <span className="min-w-0 flex-1 truncate">{command.label}</span>
                  {command.hint && (
                    <span className="shrink-0 text-xs text-ink-2 group-focus:text-accent-ink">
                      {command.hint}
                    </span>
                  )}
                  {command.keys && <Keys value={command.keys} />}
                  <CornerDownLeft aria-hidden size={14} className="invisible shrink-0 group-focus:visible" />
                </MenuItem>
              )}
            </Menu>
          </Autocomplete>
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
