import { X } from 'lucide-react';
import { useWords, type WordKey } from '#/lib/words';
import { Button } from './button';
import { DensitySwitch } from './density';

type FilterBarProps = {
  /** How many rows match; unknown while loading. */
  count: number | undefined;
  /** The words for the count: an ICU plural with `count`. */
  word: WordKey;
  /** The list below is a table, whose rows can be high or low. */
  hasRows?: boolean;
  /** Given while a filter is set. */
  onClear?: () => void;
  children: React.ReactNode;
};

/** Above a list: what narrows it down, and how many are left. */
export function FilterBar({ count, word, hasRows = true, onClear, children }: FilterBarProps) {
  const t = useWords();
  return (
    <div role="search" aria-label={t('filter.label')} className="flex flex-wrap items-center gap-x-3 gap-y-2">
      {children}
      {onClear && (
        <Button look="quiet" icon={X} onPress={onClear}>
          {t('filter.clear')}
        </Button>
      )}
      <div className="ml-auto flex items-center gap-3">
        <p aria-live="polite" className="numeric text-sm text-ink-2">
          {count === undefined ? '' : t(word, { count })}
        </p>
        {hasRows && (
          <span className="max-sm:hidden">
            <DensitySwitch />
          </span>
        )}
      </div>
    </div>
  );
}
